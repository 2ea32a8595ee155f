package gateway

import "github.com/muxward/muxward/internal/teeth"

// pressedElsewhere reports whether what a key asks for is about another server
// than the one that it is pressed at: there the person has rights that the words
// are not theirs to use.
func pressedElsewhere(bound, here bool) bool {
	return bound && !here && !teeth.Out(teeth.Pressed)
}
