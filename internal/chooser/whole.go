package chooser

import "github.com/muxward/muxward/internal/teeth"

// wholeOrNot: what has not been shown to its end is not taken as if it had.
func wholeOrNot(shown bool) bool { return shown || teeth.Out(teeth.Whole) }
