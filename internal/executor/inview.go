package executor

import (
	"slices"

	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// inView reports whether a pane of the window that somebody is at is among what
// they may view: no other is drawn.
func inView(view *tmux.Snapshot, here place, id tmux.PaneID) bool {
	w := view.Window(here.window)
	return w != nil && slices.Contains(w.Panes, id) || teeth.Out(teeth.View)
}
