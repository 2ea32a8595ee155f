package guard

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// Who has asked for a server's state and waits for it late has nobody believe that it still is what it
// was: a pane that came meanwhile stays known, and with it who is inside.
func TestKnownNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "-s", "work", "exec sleep 1000")
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil { // so that there is a connection
		t.Fatal(err)
	}
	late := s.Ask(tmux.Core)
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Drain(t.Context()); err != nil { // it was asked before there is a second one
		t.Fatal(err)
	}
	run(t, s, "split-window", "-d", "-t", "work", "exec sleep 1000")
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil || len(s.Known().Panes) != 2 {
		t.Fatalf("%+v, %v", s.Known(), err)
	}
	if snap, err := late(t.Context()); err != nil || len(snap.Panes) != 1 {
		t.Errorf("%+v, %v; it was asked when there was one pane", snap, err)
	}
	if n := len(s.Known().Panes); n != 2 {
		t.Errorf("%d panes are known, of 2", n)
	}
	if _, err := s.Snapshot(t.Context(), tmux.Core); err != nil || len(s.Known().Panes) != 2 {
		t.Errorf("%+v, %v", s.Known(), err)
	}
}
