//go:build !teeth_unsized

package executor

// unsized reports whether tmux takes no size from a display that has these
// flags, and weighs, whether a display needs somebody else whose size counts.
//
// The build tag teeth_unsized takes these checks out, for the control runs of
// test/attack.
func unsized(flags string) bool { return ignored(flags) }

const weighs = true
