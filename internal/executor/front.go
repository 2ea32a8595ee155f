package executor

import "github.com/muxward/muxward/internal/teeth"

// asksFront reports whether it is asked that somebody is shown the pane when they take a
// line for it.
func asksFront() bool { return !teeth.Out(teeth.Front) }
