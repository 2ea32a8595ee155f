//go:build !teeth_view

package executor

import (
	"slices"

	"github.com/muxward/muxward/internal/tmux"
)

// viewed: a picture is given to a terminal only while all that is in it may be
// viewed.
//
// The build tag teeth_view takes this check and the next out, for the control runs
// of test/attack.
const viewed = true

// inView reports whether a pane of the window that somebody is at is among what
// they may view: of no other anything is captured or drawn.
func inView(view *tmux.Snapshot, here place, id tmux.PaneID) bool {
	w := view.Window(here.window)
	return w != nil && slices.Contains(w.Panes, id)
}
