//go:build !teeth_pressed

package gateway

// pressedElsewhere reports whether what a key asks for is about another server
// than the one that it is pressed at: there the person has rights that the words
// are not theirs to use.
//
// The build tag teeth_pressed takes this check out, for the control runs of
// test/attack.
func pressedElsewhere(bound, here bool) bool { return bound && !here }
