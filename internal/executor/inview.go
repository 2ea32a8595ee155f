//go:build !teeth_view

package executor

import (
	"slices"

	"github.com/muxward/muxward/internal/tmux"
)

// inView reports whether a pane of the window that somebody is at is among what
// they may view: no other is drawn.
//
// The build tag teeth_view takes this check out, for the control runs of test/attack.
func inView(view *tmux.Snapshot, here place, id tmux.PaneID) bool {
	w := view.Window(here.window)
	return w != nil && slices.Contains(w.Panes, id)
}
