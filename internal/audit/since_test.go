package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// Whoever asks since when gets all that was written then, of the lines they want, and
// is told of whatever is missing: a log that begins later, a file that has gone, a line
// that is none. What the clock says twice is not missed.
func TestSince(t *testing.T) {
	begun := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	const n = 200
	write := func(t *testing.T, clock func(i int) time.Time) (dir string, segs []segment) {
		dir = newDir(t)
		var now atomic.Pointer[time.Time] // what syncs looks at it as well
		now.Store(&begun)
		l := open(t, Options{Dir: dir, SegmentSize: 5000, Now: func() time.Time { return *now.Load() }})
		for i := range n {
			at := clock(i)
			now.Store(&at)
			must(t, l, access.Event{Kind: access.EventIntent, Request: uint64(i + 1), Person: []string{"bob", "alice"}[i%2], Time: at})
		}
		shut(t, l)
		segs, err := listSegments(dir)
		if err != nil || len(segs) < 4 {
			t.Fatalf("%d segments, %v", len(segs), err)
		}
		return dir, segs
	}
	read := func(dir string, at time.Time) (got map[uint64]bool, lines int, bad []error) {
		got = map[uint64]bool{}
		want := func(line []byte) bool {
			lines++
			return bytes.Contains(line, []byte(`"person":"bob"`))
		}
		for rec, err := range Since(t.Context(), dir, at, want) {
			if err != nil {
				bad = append(bad, err)
			} else if rec.Person == "bob" {
				got[rec.Request] = true
			} else {
				t.Errorf("%s was not wanted", rec.Line)
			}
		}
		return got, lines, bad
	}
	minutes := func(i int) time.Time { return begun.Add(time.Duration(i) * time.Minute) }

	dir, segs := write(t, minutes)
	for _, from := range []int{0, 1, 77, 150, n - 2} {
		got, lines, bad := read(dir, minutes(from))
		for i := from; i < n; i++ {
			if got[uint64(i+1)] != (i%2 == 0) {
				t.Errorf("since %d: number %d is read: %v", from, i, got[uint64(i+1)])
			}
		}
		if len(bad) > 0 || from > 100 && lines > 150 {
			t.Errorf("since %d: %d lines, %v", from, lines, bad)
		}
	}

	if err := os.Remove(filepath.Join(dir, segs[0].name)); err != nil {
		t.Fatal(err)
	}
	if _, _, bad := read(dir, minutes(0)); len(bad) != 1 {
		t.Errorf("of a log that does not go back that far nothing is told: %v", bad)
	}
	if _, _, bad := read(dir, minutes(n-2)); len(bad) != 0 {
		t.Errorf("what is missing long before is told: %v", bad)
	}
	if err := os.Remove(filepath.Join(dir, segs[2].name)); err != nil {
		t.Fatal(err)
	}
	if _, _, bad := read(dir, minutes(0)); len(bad) != 2 {
		t.Errorf("a file is missing in the middle: %v", bad)
	}

	// The clock is an hour ahead, and is set right half-way.
	dir, _ = write(t, func(i int) time.Time {
		if i < n/2 {
			return minutes(i).Add(time.Hour)
		}
		return minutes(i)
	})
	got, _, bad := read(dir, minutes(n/2-10).Add(time.Hour))
	for i := n/2 - 10; i < n; i++ {
		if got[uint64(i+1)] != (i%2 == 0) {
			t.Errorf("after the clock was set back number %d is read: %v", i, got[uint64(i+1)])
		}
	}
	if len(bad) != 0 {
		t.Error(bad)
	}
}
