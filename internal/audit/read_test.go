package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

func TestQuery(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i, ev := range []access.Event{
		{Kind: access.EventIntent, Request: 1, Person: "bob", Verbs: []string{"view"}, Objects: []string{"alice/$1:@3.%7"}},
		{Kind: access.EventOutcome, Request: 1, Person: "bob"},
		{Kind: access.EventDenied, Request: 2, Person: "mal\nlory", Verbs: []string{"close-session", "type"}, Objects: []string{"alice/$1", "alice/$10:@31.%70"}},
		{Kind: access.EventKey, Person: "bob", Bytes: 3},
	} {
		ev.Time = at.Add(time.Duration(i) * time.Minute)
		must(t, l, ev)
	}
	shut(t, l)
	for _, tt := range []struct {
		f    Filter
		want int
	}{
		{Filter{Person: "bob"}, 2}, {Filter{Person: "bob", Keys: true}, 3}, {Filter{Person: "bo"}, 0}, {Filter{Person: "mal\nlory"}, 1},
		{Filter{Verb: "type"}, 1}, {Filter{Verb: "view"}, 1}, {Filter{Denied: true}, 1}, {Filter{Kind: access.EventKey}, 1}, {Filter{Request: 1}, 2},
		{Filter{Object: "alice"}, 2}, {Filter{Object: "alice/$1"}, 2}, {Filter{Object: "alice/$1:@3.%7"}, 1}, {Filter{Object: "%7"}, 1}, {Filter{Object: "%70"}, 1},
		{Filter{Object: "@3"}, 1}, {Filter{Object: "ali"}, 0}, {Filter{Object: "$1:@3"}, 1}, {Filter{Object: "$10"}, 1}, {Filter{Object: "$9"}, 0},
		{Filter{Since: at.Add(time.Minute), Until: at.Add(3 * time.Minute)}, 2}, {Filter{Since: at, Until: at}, 0},
	} {
		if got := len(all(t, dir, tt.f)); got != tt.want {
			t.Errorf("%+v: %d records, want %d", tt.f, got, tt.want)
		}
	}
	for range Query(t.Context(), dir, Filter{}) {
		break // a consumer that has enough
	}
	for _, err := range Query(t.Context(), "/nonexistent", Filter{}) {
		if err == nil {
			t.Error("a log that is not there")
		}
	}
}

// Following sees every record once, in order, over rotation and over a file
// that was put back.
func TestTailFollows(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir, SegmentSize: 5000})
	const n = 300
	halfway := make(chan struct{})
	go func() {
		for i := range n {
			_, _ = l.Append(context.Background(), access.BestEffortClass, access.Event{Kind: access.EventAttach, Count: i + 1})
			if i == n/2 {
				<-halfway // the reader has the file open
				segs, _ := listSegments(dir)
				os.Remove(filepath.Join(dir, segs[len(segs)-1].name))
			}
		}
		_, _ = l.Append(context.Background(), access.BestEffortClass, access.Event{Kind: access.EventDetach})
	}()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	last, count := uint64(0), 0
	for rec, err := range Tail(ctx, dir, 1000, true, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Seq != last+1 {
			t.Fatalf("record %d after %d", rec.Seq, last)
		}
		last = rec.Seq
		if rec.Kind == access.EventAttach {
			if count++; rec.Count != count {
				t.Fatalf("event %d after %d", rec.Count, count-1)
			}
			if count == n/2 {
				close(halfway)
			}
		}
		if rec.Kind == access.EventDetach {
			break
		}
	}
	if count != n {
		t.Errorf("%d of %d events", count, n)
	}
}

func TestTailBegins(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir, SegmentSize: 2000})
	for i := range 100 {
		best(t, l, access.Event{Kind: access.EventAttach, Count: i + 1})
	}
	for _, n := range []uint64{0, 1, 5, 50, 1000} {
		var seqs []uint64
		for rec, err := range Tail(t.Context(), dir, n, false, Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			seqs = append(seqs, rec.Seq)
		}
		total := uint64(len(all(t, dir, Filter{})))
		if uint64(len(seqs)) != min(n, total) || (n > 0 && seqs[len(seqs)-1] != total) {
			t.Errorf("tail of %d of %d gave %d", n, total, len(seqs))
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range Tail(ctx, dir, 5, true, Filter{}) {
		t.Error("a record after the end of the context")
	}
}

// Lines that are no records are told of, and do not stop the reading.
func TestQueryOfADamagedLog(t *testing.T) {
	key, again := sample(t)
	_ = key
	dir := again(t)
	edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
		return append(l[:i:i], append([][]byte{[]byte("rubbish\x1b[2J\n"), fmt.Appendf(nil, "%0*d\n", 2*maxLine, 0)}, l[i:]...)...)
	})
	good, bad := 0, 0
	for _, err := range Query(t.Context(), dir, Filter{}) {
		if err != nil {
			bad++
		} else {
			good++
		}
	}
	if good < 100 || bad != 2 {
		t.Errorf("%d good, %d bad", good, bad)
	}
	segs, err := listSegments(dir)
	if err != nil || os.Truncate(filepath.Join(dir, segs[0].name), 500) != nil {
		t.Fatal("cannot cut", err)
	}
	bad = 0
	for _, err := range Query(t.Context(), dir, Filter{}) {
		if err != nil {
			bad++
		}
	}
	if bad != 1 {
		t.Errorf("%d errors for a file that ends within a line", bad)
	}
}
