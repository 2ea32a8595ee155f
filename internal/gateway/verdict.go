//go:build !teeth_decide

package gateway

import "github.com/muxward/muxward/internal/access"

// judged gives a decision as the denials and the policy made it.
//
// The build tag teeth_decide takes this check out: the control runs of
// test/attack use it to show that the attacks would succeed without it.
func judged(d access.Decision) access.Decision { return d }
