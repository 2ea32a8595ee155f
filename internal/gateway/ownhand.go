package gateway

import (
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// ownHand reports whether it is known whose hand it was.
func ownHand(who identity.Identity) bool { return handed(who) || teeth.Out(teeth.Hand) }

// keyHand reports that of what is pressed in a display.
func keyHand(who identity.Identity) bool { return pressing(who) || teeth.Out(teeth.Hand) }
