package audit

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// Somebody deletes the log's file while it is being synced. What it holds is
// put back at its name by the next record, so the sync's failure costs nothing:
// the log goes on, and nothing is missing.
func TestDeletedInTheMiddleOfASync(t *testing.T) {
	dir := newDir(t)
	inSync, goOn := make(chan struct{}), make(chan struct{})
	var begun atomic.Bool
	f := &faults{}
	l := open(t, withFaults(Options{Dir: dir}, f))
	f.set(func(f *faults) {
		f.sync = func(name string) error {
			if strings.HasSuffix(name, ".log") && begun.CompareAndSwap(false, true) {
				close(inSync)
				<-goOn
			}
			return nil
		}
	})
	write := func(n int, class ...access.Class) error {
		_, err := l.Append(context.Background(), append(class, access.BestEffortClass)[0], access.Event{Kind: access.EventAttach, Count: n})
		return err
	}
	if err := write(1); err != nil {
		t.Fatal(err)
	}
	<-inSync
	if err := write(2); err != nil {
		t.Fatal(err)
	}
	segs, err := listSegments(dir)
	if err != nil || len(segs) != 1 {
		t.Fatal(segs, err)
	}
	if err := os.Remove(filepath.Join(dir, segs[0].name)); err != nil {
		t.Fatal(err)
	}
	if err := write(3); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	ctx, stop := context.WithTimeout(t.Context(), 15*time.Second)
	defer stop()
	last := 4
	for ; write(last, access.MustRecordClass) != nil; last++ { // refused until the log is whole again
		if ctx.Err() != nil {
			t.Fatalf("the log does not recover: %+v", l.Health())
		}
	}
	var got []int
	for rec, err := range Tail(ctx, dir, 1000, false, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Kind == access.EventAttach {
			got = append(got, rec.Count)
		}
	}
	// What was refused may be there, too; what was not is there, once.
	if len(got) < 4 || !slices.Equal(got[:3], []int{1, 2, 3}) || got[len(got)-1] != last {
		t.Errorf("events %v, the last one is %d", got, last)
	}
}
