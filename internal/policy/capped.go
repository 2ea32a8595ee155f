//go:build !teeth_declared

package policy

import "github.com/muxward/muxward/internal/access"

// capped is what was declared, as far as the policy lets declarations give it.
//
// The build tag teeth_declared takes this check out, for the control runs of test/attack.
func capped(declared, most access.VerbSet) access.VerbSet { return declared & most }
