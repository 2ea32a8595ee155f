package executor

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// A guest's client stays for weeks and turns off each pane as it comes. What it has
// said of panes that have ended is forgotten, and of the others kept.
func TestWishesOfPanesThatEnded(t *testing.T) {
	var w wishes
	const stays = tmux.PaneID(1)
	last := tmux.PaneID(0)
	for id := range tmux.PaneID(100) {
		last = 2 + id
		now := tmux.NewSnapshot(tmux.Snapshot{Panes: []tmux.Pane{{ID: stays}, {ID: last}}})
		if id == 0 {
			w.turn(stays, true, now)
		}
		w.turn(last, true, now)
	}
	if !w.isOff(stays) || !w.isOff(last) || len(w.off) != 2 {
		t.Errorf("kept is %v, want %s and %s", w.off, stays, last)
	}
	now := tmux.NewSnapshot(tmux.Snapshot{Panes: []tmux.Pane{{ID: stays}}})
	w.turn(99, true, now)
	w.turn(stays, false, now)
	if len(w.off) != 0 {
		t.Errorf("kept is %v, want nothing", w.off)
	}
}
