package executor

import "github.com/muxward/muxward/internal/teeth"

// unsized reports whether tmux takes no size from a display that has these
// flags, and weighs, whether a display needs somebody else whose size counts.
func unsized(flags string) bool { return ignored(flags) || teeth.Out(teeth.Unsized) }

func weighs() bool { return !teeth.Out(teeth.Unsized) }
