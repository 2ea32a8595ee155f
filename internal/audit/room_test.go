package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"golang.org/x/sys/unix"
)

// While a log is open its file is longer than what is in it: the room behind
// the last record is read by nobody as anything, and gone when it is closed.
func TestRoomBehindTheRecords(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	seq := must(t, l, intent(1, "x"))
	path := withRoom(t, dir)
	if last, err := lastSeq(dir); err != nil || last < seq {
		t.Errorf("last record %d, %v", last, err)
	}
	if got := all(t, dir, Filter{Kind: access.EventIntent}); len(got) != 1 || got[0].Seq != seq {
		t.Errorf("read while it is open: %+v", got)
	}
	proved(t, dir)
	crashed := snap(t, dir)
	shut(t, l)
	if data, err := os.ReadFile(path); err != nil || data[len(data)-1] != '\n' {
		t.Errorf("the room is still there after the end (%v)", err)
	}

	// A crash leaves it. Nobody is told, as nothing is missing.
	after := crashed(t)
	proved(t, after)
	shut(t, open(t, Options{Dir: after}))
	proved(t, after)
	if alarms := notes(t, after, access.EventAlarm); len(alarms) != 0 {
		t.Errorf("alarms: %q", alarms)
	}

	// Something else in the room is noticed, by verify and by the next start,
	// which keeps it for whoever looks into the matter.
	after = crashed(t)
	f, err := os.OpenFile(filepath.Join(after, segmentName(1)), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("who was here\n"), int64(len(records(t, path))+3000)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if rep, err := Verify(t.Context(), after, publicKey(t, after), VerifyOptions{}); !errors.Is(err, ErrTampered) {
		t.Errorf("verify: %+v, %v", rep, err)
	}
	shut(t, open(t, Options{Dir: after}))
	if rep := proved(t, after); !strings.Contains(strings.Join(rep.Notes, " "), "torn-1") {
		t.Errorf("%+v", rep)
	}
}

// Whoever cuts off only room cuts off no record: the log goes on in the same
// file, and says so.
func TestRoomCutOff(t *testing.T) {
	for _, left := range []int64{0, 7, 200 << 10} {
		dir := newDir(t)
		l := open(t, Options{Dir: dir})
		must(t, l, intent(1, "before"))
		path := withRoom(t, dir)
		if err := os.Truncate(path, int64(len(records(t, path)))+left); err != nil {
			t.Fatal(err)
		}
		must(t, l, intent(2, "after"))
		eventually(t, "an alarm", func() bool {
			return strings.Contains(strings.Join(notes(t, dir, access.EventAlarm), " "), "no record is missing")
		})
		shut(t, l)
		if rep := proved(t, dir); strings.Contains(strings.Join(rep.Notes, " "), "foreign") {
			t.Errorf("left %d: %+v", left, rep)
		}
		if segs, err := listSegments(dir); err != nil || len(segs) != 1 {
			t.Errorf("left %d: files %v, %v", left, segs, err)
		}
	}
}

// A record that somebody else writes into the room, with the number that comes
// next, is not taken for the log's: it is set aside within a moment, and said.
func TestForgedInTheRoom(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	seq := must(t, l, intent(1, "true"))
	path := withRoom(t, dir)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`{"seq":%d,"time":"2026-01-01T00:00:00Z","kind":"attach","note":"forged"}`+"\n", seq+1)
	if _, err := f.WriteAt([]byte(line), int64(len(records(t, path)))); err != nil {
		t.Fatal(err)
	}
	f.Close()
	eventually(t, "what was forged is set aside", func() bool {
		_, err := os.Stat(path + ".foreign-1")
		return err == nil
	})
	must(t, l, intent(2, "true, too"))
	shut(t, l)
	proved(t, dir)
	if alarms := notes(t, dir, access.EventAlarm); len(alarms) != 1 || !strings.Contains(alarms[0], "somebody else wrote ") {
		t.Errorf("alarms: %q", alarms)
	}
	for _, rec := range all(t, dir, Filter{}) {
		if rec.Note == "forged" {
			t.Error("it is in the log")
		}
	}
}

// On a disk that is full no room can be taken. What was taken before serves
// revocations, and nobody is accused of anything.
func TestNoMoreRoom(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	path := withRoom(t, dir)
	f.set(func(f *faults) {
		f.alloc = func() error { return unix.ENOSPC }
		f.space = func() (free, total uint64) { return 0, 1 << 30 }
	})
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	wrote := 0
	for int64(len(records(t, path))) < st.Size()-chunk/4 {
		ev := access.Event{Kind: access.EventRevoke, Note: strings.Repeat("r", 60<<10)}
		if _, err := l.Append(t.Context(), access.MustRecordClass, ev); err != nil {
			t.Fatalf("revocation %d: %v", wrote, err)
		}
		wrote++
	}
	refusedSoon(t, l, "disk is nearly full")
	f.set(func(f *faults) { f.alloc, f.space = nil, nil })
	eventually(t, "health", func() bool { return l.Health().OK })
	shut(t, l)
	proved(t, dir)
	if got := all(t, dir, Filter{Kind: access.EventRevoke}); len(got) != wrote {
		t.Errorf("%d revocations of %d", len(got), wrote)
	}
	if alarms := notes(t, dir, access.EventAlarm); len(alarms) != 0 {
		t.Errorf("alarms: %q", alarms)
	}
}

// A file that is cut while the disk takes no new one stays cut: the log must not
// make it long again and go on behind a hole.
func TestCutWhileNothingCanBeWritten(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	for i := range 5 {
		must(t, l, intent(uint64(i+1), "before"))
	}
	path := withRoom(t, dir)
	f.set(func(f *faults) {
		f.open = func(name string) error {
			if strings.HasSuffix(name, segmentSuffix) {
				return unix.ENOSPC
			}
			return nil
		}
	})
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	refusedSoon(t, l, "cannot be begun")
	for range 3 { // ticks at which it tries to go on
		refusedSoon(t, l, "cannot be begun")
	}
	f.set(func(f *faults) { f.open = nil })
	eventually(t, "health", func() bool { return l.Health().OK })
	after := must(t, l, intent(99, "after"))
	shut(t, l)
	shut(t, open(t, Options{Dir: dir}))
	rep, err := Verify(t.Context(), dir, publicKey(t, dir), VerifyOptions{})
	if !errors.Is(err, ErrTampered) {
		t.Errorf("%+v %v", rep, err)
	}
	found := false
	for rec := range Query(t.Context(), dir, Filter{Kind: access.EventIntent}) {
		found = found || rec.Seq == after // what was cut is told, too, as an error
	}
	if !found {
		t.Error("what was written after it cannot be read")
	}
}

// The log's file is deleted, and the disk has no place for it: what it holds
// must still be in the log's hands when there is.
func TestDeletedOnAFullDisk(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	must(t, l, intent(1, "before"))
	f.set(func(f *faults) {
		f.write = func(string, []byte) (int, error) { return 0, unix.ENOSPC }
	})
	for _, name := range []string{segmentName(1), hashesFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	refusedSoon(t, l, "full")
	f.set(func(f *faults) { f.write = nil })
	eventually(t, "health", func() bool { return l.Health().OK })
	must(t, l, intent(2, "after"))
	shut(t, l)
	proved(t, dir)
	if recs := all(t, dir, Filter{Kind: access.EventIntent}); len(recs) != 2 {
		t.Errorf("intents %+v", recs)
	}
}

// withRoom gives the first segment's path, and skips the test where the file
// system lets nobody take room ahead.
func withRoom(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, segmentName(1))
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if int(st.Size()) > len(records(t, path)) {
		return path
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 4096); err == nil {
		t.Fatal("the log took no room")
	}
	tmuxtest.Skip(t, "this file system takes no room ahead")
	return ""
}
