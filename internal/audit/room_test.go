package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// While a log is open its file is longer than what is in it: the room behind
// the last record is read by nobody as anything, and gone when it is closed.
func TestRoomBehindTheRecords(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	seq := must(t, l, intent(1, "x"))
	path := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole) == len(records(t, path)) {
		tmuxtest.Skip(t, "this file system takes no room ahead")
	}
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

// Whoever cuts off only the room cuts off no record: the log goes on in the
// same file, and says so.
func TestRoomCutOff(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	must(t, l, intent(1, "before"))
	path := filepath.Join(dir, segmentName(1))
	if err := os.Truncate(path, int64(len(records(t, path)))); err != nil {
		t.Fatal(err)
	}
	must(t, l, intent(2, "after"))
	eventually(t, "an alarm", func() bool {
		return strings.Contains(strings.Join(notes(t, dir, access.EventAlarm), " "), "no record is missing")
	})
	shut(t, l)
	proved(t, dir)
	if segs, err := listSegments(dir); err != nil || len(segs) != 1 {
		t.Errorf("files %v, %v", segs, err)
	}
}
