package executor

import "github.com/muxward/muxward/internal/teeth"

// drawnFirst: what is typed at a place of one's own is for a pane that was drawn as
// the selected one, or that one has gone to.
func drawnFirst() bool { return !teeth.Out(teeth.Selected) }
