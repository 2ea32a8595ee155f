package tmuxd

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Of one door so many connections may be left behind that do not come to their end, and then nobody comes in there
// but root, until one does. Other doors are open.
func TestLeftBehind(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	here, there := place{path: "here"}, place{path: "there"}
	var all []*visit
	done := make(chan struct{})
	for range maxLeft {
		v, err := comeAt(t, s, 1000, here)
		if err != nil {
			t.Fatal(err)
		}
		s.left.behind(v, done)
		v.leave(errFault)
		v.proved()
		all = append(all, v)
	}
	if _, err := comeAt(t, s, 1000, here); err == nil || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("one more: %v", err)
	}
	for what, of := range map[string]struct {
		uid uint32
		at  place
	}{"another door": {1000, there}, "root": {0, here}} {
		v, err := comeAt(t, s, of.uid, of.at)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		v.leave(nil)
		v.proved()
	}
	close(done)
	for _, v := range all {
		s.left.back(v)
	}
	s.left.behind(all[0], done) // that one has ended by then
	v, err := comeAt(t, s, 1000, here)
	if err != nil || len(s.left.at) > 0 {
		t.Errorf("when they have ended: %v, and %v are left", err, s.left.at)
	} else {
		v.leave(nil)
		v.proved()
	}
	if s.newcomers.Len() > 0 || s.proofs.Len() > 0 {
		t.Errorf("%d are here, %d proofs", s.newcomers.Len(), s.proofs.Len())
	}
}

type waits chan struct{}

func (w waits) Close() error { <-w; return nil }

// While too much waits at a door to be put away nobody is let in there; at another one they are.
func TestDoorWaitsForWhatIsPutAway(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	end := make(waits)
	for range 128 { // as many as are put away at a time, twice
		s.put("hers", end)
	}
	s.awaitAway(t.Context(), "his")
	in := make(chan struct{})
	go func() {
		defer close(in)
		s.awaitAway(t.Context(), "hers")
	}()
	select {
	case <-in:
		t.Error("somebody is let in")
	case <-time.After(50 * time.Millisecond):
	}
	close(end)
	select {
	case <-in:
	case <-time.After(tmuxtest.Patience):
		t.Error("nobody is let in any more")
	}
}
