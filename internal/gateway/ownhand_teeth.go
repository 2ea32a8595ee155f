//go:build teeth_hand

package gateway

import "github.com/muxward/muxward/internal/identity"

// ownHand takes every hand for the person's. It is for the control runs of
// test/attack.
func ownHand(identity.Identity) bool { return true }

var _ = handed
