//go:build !teeth_hand

package gateway

import "github.com/muxward/muxward/internal/identity"

// ownHand reports whether it is known whose hand it was.
//
// The build tag teeth_hand takes this check out, for the control runs of
// test/attack.
func ownHand(who identity.Identity) bool { return handed(who) }
