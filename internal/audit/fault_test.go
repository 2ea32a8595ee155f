package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
)

// refusedSoon waits until the log says that it cannot write.
func refusedSoon(t *testing.T, l *Log, why string) {
	t.Helper()
	eventually(t, "refusal because of "+why, func() bool {
		_, err := l.Append(t.Context(), access.BestEffortClass, access.Event{Kind: access.EventAttach, Note: "try"})
		var sink *SinkError
		return errors.As(err, &sink) && errors.Is(err, ErrSink) && strings.Contains(sink.Reason, why)
	})
	if h := l.Health(); h.OK || !strings.Contains(h.Reason, why) {
		t.Errorf("health %+v", h)
	}
}

// healthySoon waits until the log writes again, and looks for its record of
// the outage.
func healthySoon(t *testing.T, l *Log, dir string) {
	t.Helper()
	eventually(t, "health", func() bool { return l.Health().OK })
	must(t, l, access.Event{Kind: access.EventAttach, Note: "after"})
	for _, n := range notes(t, dir, access.EventLog) {
		if strings.Contains(n, "could not be written for") {
			return
		}
	}
	t.Error("no record of the outage")
}

func TestWriteFails(t *testing.T) {
	for _, errno := range []error{unix.ENOSPC, unix.EIO, unix.EROFS, unix.EDQUOT} {
		for _, part := range []int{0, 1, 50} {
			t.Run(errno.Error(), func(t *testing.T) {
				dir, f := newDir(t), &faults{}
				l := open(t, withFaults(Options{Dir: dir}, f))
				changed := l.Changed()
				before := must(t, l, intent(1, "x"))
				f.set(func(f *faults) {
					f.write = func(name string, p []byte) (int, error) { return min(part, len(p)), errno }
				})
				refusedSoon(t, l, errno.Error())
				<-changed
				if data := records(t, filepath.Join(dir, segmentName(1))); data[len(data)-1] != '\n' {
					t.Error("half a record is left")
				}
				for _, rec := range all(t, dir, Filter{}) {
					if rec.Note == "try" {
						t.Error("a refused event is in the log")
					}
				}
				f.set(func(f *faults) { f.write = nil })
				healthySoon(t, l, dir)
				shut(t, l)
				proved(t, dir)
				if recs := all(t, dir, Filter{Kind: access.EventIntent}); len(recs) != 1 || recs[0].Seq != before {
					t.Errorf("intents %+v", recs)
				}
				if alarms := notes(t, dir, access.EventAlarm); len(alarms) != 0 {
					t.Errorf("alarms: %q", alarms)
				}
			})
		}
	}
}

// A failed sync may have dropped what was written before: it must be written
// again, and whoever waited must have been refused.
func TestSyncFails(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	must(t, l, intent(1, "before"))
	kept := best(t, l, access.Event{Kind: access.EventAttach, Note: "best effort, acknowledged"})
	var wrote atomic.Int64
	f.set(func(f *faults) {
		f.sync = func(string) error { return unix.EIO }
		f.write = func(name string, p []byte) (int, error) { wrote.Add(1); return -1, nil }
	})
	seq, err := l.Append(t.Context(), access.MustRecordClass, intent(2, "kill-server"))
	if !errors.Is(err, ErrSink) || !strings.Contains(err.Error(), unix.EIO.Error()) {
		t.Fatalf("append: %d, %v", seq, err)
	}
	refusedSoon(t, l, unix.EIO.Error())
	wrote.Store(0)
	f.set(func(f *faults) { f.sync = nil })
	healthySoon(t, l, dir)
	eventually(t, "the refused intent is closed", func() bool {
		for _, rec := range all(t, dir, Filter{Kind: access.EventOutcome}) {
			if rec.Ref == seq && rec.Request == 2 {
				return true
			}
		}
		return false
	})
	f.set(func(f *faults) {
		if wrote.Load() < 3 {
			t.Errorf("only %d writes: what was not synced was not written again", wrote.Load())
		}
		f.write = nil
	})
	shut(t, l)
	proved(t, dir)
	if recs := all(t, dir, Filter{Kind: access.EventAttach}); len(recs) == 0 || recs[0].Seq != kept {
		t.Errorf("%+v", recs)
	}
}

// When the kernel did drop what it could not sync, the log must not go on as
// if nothing happened.
func TestSyncFailsAndDataIsLost(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	must(t, l, intent(1, "before"))
	path := filepath.Join(dir, segmentName(1))
	end := int64(len(records(t, path)))
	f.set(func(f *faults) { f.sync = func(string) error { return unix.EIO } })
	if _, err := l.Append(t.Context(), access.MustRecordClass, intent(2, "lost")); err == nil {
		t.Fatal("acknowledged")
	}
	g, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.WriteAt(make([]byte, 20), end); err != nil {
		t.Fatal(err)
	}
	g.Close()
	f.set(func(f *faults) { f.sync = nil })
	refusedSoon(t, l, "the disk lost records")
	shut(t, l)
	shut(t, open(t, Options{Dir: dir}))
	proved(t, dir)
	if n := strings.Join(notes(t, dir, access.EventAlarm), "\n"); !strings.Contains(n, "torn-1") {
		t.Errorf("alarms: %s", n)
	}
}

// A file system that does not answer must not take callers with it.
func TestWriteHangs(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	gate := make(chan struct{})
	var once sync.Once
	open := func() { once.Do(func() { close(gate) }) }
	defer open()
	f.set(func(f *faults) { f.write = func(string, []byte) (int, error) { <-gate; return -1, nil } })
	for range 3 {
		_, err := l.Append(context.Background(), access.MustRecordClass, intent(1, "x"))
		if !errors.Is(err, ErrSink) || !strings.Contains(err.Error(), "does not answer") {
			t.Fatalf("append: %v", err)
		}
	}
	if l.Health().OK {
		t.Error("healthy while the file system does not answer")
	}
	f.set(func(f *faults) { f.write = nil })
	open()
	eventually(t, "health", func() bool { return l.Health().OK })
	must(t, l, intent(2, "y"))
	shut(t, l)
	proved(t, dir)
}

func TestSpaceRunsLow(t *testing.T) {
	dir, f := newDir(t), &faults{}
	l := open(t, withFaults(Options{Dir: dir, Reserve: 16 << 20}, f))
	free := func(n uint64) { f.set(func(f *faults) { f.space = func() (uint64, uint64) { return n, 1 << 40 } }) }
	try := func(class access.Class, ev access.Event) bool {
		_, err := l.Append(t.Context(), class, ev)
		if err != nil && !errors.Is(err, ErrSink) {
			t.Fatal(err)
		}
		return err == nil
	}
	kick := intent(3, "revoke")
	kick.Verbs = []string{"kick"}
	keys := access.Event{Kind: access.EventKeys, Person: "bob"}
	denied := access.Event{Kind: access.EventDenied, Person: "bob"}

	free(10 << 20)
	eventually(t, "keys are refused", func() bool { return !try(access.BestEffortClass, keys) })
	if !try(access.MustRecordClass, intent(1, "ls")) || try(access.BestEffortClass, denied) {
		t.Error("below the reserve, commands go on and refused tries are not written")
	}
	free(1 << 20)
	eventually(t, "commands are refused", func() bool { return !try(access.MustRecordClass, intent(2, "ls")) })
	for _, ev := range []access.Event{kick, {Kind: access.EventRevoke}, {Kind: access.EventOutcome, Request: 1}} {
		if !try(access.MustRecordClass, ev) {
			t.Errorf("%s is refused on a nearly full disk", ev.Kind)
		}
	}
	if h := l.Health(); h.OK || !strings.Contains(h.Reason, "nearly full") {
		t.Errorf("health %+v", h)
	}
	free(1 << 30)
	eventually(t, "all is written again", func() bool { return try(access.BestEffortClass, keys) && l.Health().OK })
	shut(t, l)
	proved(t, dir)
}

func TestFileDeletedWhileOpen(t *testing.T) {
	for _, name := range []string{segmentName(1), hashesFile, checkpointsFile} {
		t.Run(name, func(t *testing.T) {
			dir := newDir(t)
			l := open(t, Options{Dir: dir})
			first := must(t, l, intent(1, "before"))
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			must(t, l, intent(2, "after"))
			eventually(t, "the file is back, with an alarm", func() bool {
				n := notes(t, dir, access.EventAlarm)
				return len(n) == 1 && strings.Contains(n[0], name)
			})
			shut(t, l)
			proved(t, dir)
			if recs := all(t, dir, Filter{Kind: access.EventIntent}); len(recs) != 2 || recs[0].Seq != first {
				t.Errorf("%+v", recs)
			}
		})
	}
}

// What logrotate does without copytruncate: the file goes to another name, and
// perhaps a new one takes its place.
func TestFileRenamedWhileOpen(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	must(t, l, intent(1, "before"))
	path := filepath.Join(dir, segmentName(1))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an alarm", func() bool {
		data, _ := os.ReadFile(path)
		return strings.Contains(string(data), "was replaced while open")
	})
	must(t, l, intent(2, "after"))
	shut(t, l)
	if rep := proved(t, dir); !strings.Contains(strings.Join(rep.Notes, " "), "foreign-1") {
		t.Errorf("%+v", rep)
	}
}

// What logrotate's copytruncate does. The records are gone from here, the log
// goes on, and verify names what is missing.
func TestFileTruncatedWhileOpen(t *testing.T) {
	for _, left := range []int64{0, 100} {
		dir := newDir(t)
		l := open(t, Options{Dir: dir})
		var before uint64
		for i := range 20 {
			before = must(t, l, intent(uint64(i+1), "before"))
		}
		if err := os.Truncate(filepath.Join(dir, segmentName(1)), left); err != nil {
			t.Fatal(err)
		}
		after := must(t, l, intent(99, "after"))
		eventually(t, "an alarm", func() bool {
			segs, _ := listSegments(dir)
			data, _ := os.ReadFile(filepath.Join(dir, segs[len(segs)-1].name))
			return strings.Contains(string(data), "was cut from")
		})
		if st, err := os.Stat(filepath.Join(dir, segmentName(1))); err != nil || st.Size() != left {
			t.Errorf("left %d: what was cut was changed: %v, %v", left, st.Size(), err)
		}
		shut(t, l)
		shut(t, open(t, Options{Dir: dir})) // it can still be opened
		rep, err := Verify(t.Context(), dir, publicKey(t, dir), VerifyOptions{})
		if !errors.Is(err, ErrTampered) || len(rep.Problems) == 0 {
			t.Fatalf("left %d: %+v %v", left, rep, err)
		}
		// Whether the alarm comes before what is written next is a race.
		if p := rep.Problems[len(rep.Problems)-1]; p.Kind != "missing" || p.Last < before || p.Last >= after {
			t.Errorf("left %d: of what came before %d and after %d it says %+v", left, before, after, p)
		}
	}
}

func TestForeignBytesWhileOpen(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	must(t, l, intent(1, "before"))
	g, err := os.OpenFile(filepath.Join(dir, segmentName(1)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.WriteString(`{"seq":4,"kind":"outcome"}` + "\n"); err != nil {
		t.Fatal(err)
	}
	g.Close()
	must(t, l, intent(2, "after"))
	shut(t, l)
	proved(t, dir)
	if n := strings.Join(notes(t, dir, access.EventAlarm), "\n"); !strings.Contains(n, "somebody else wrote 27 bytes") {
		t.Errorf("alarms: %s", n)
	}
}

func TestDirectoryRemovedWhileOpen(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	must(t, l, intent(1, "before"))
	aside := dir + ".moved"
	if err := os.Rename(dir, aside); err != nil {
		t.Fatal(err)
	}
	refusedSoon(t, l, "was removed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	refusedSoon(t, l, "was replaced")
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("something was made in a directory that is not the log's")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, dir); err != nil {
		t.Fatal(err)
	}
	healthySoon(t, l, dir)
	shut(t, l)
	proved(t, dir)
}

func TestDirectoryErasedWhileOpen(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	must(t, l, intent(1, "before"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	refusedSoon(t, l, "removed")
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made anew")
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	if err := l.Close(ctx); err == nil {
		t.Error("a log that is gone closed well")
	}
}
