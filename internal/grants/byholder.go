//go:build !teeth_lease

package grants

import "github.com/muxward/muxward/internal/identity"

// byHolder reports whether an identity comes from where its person types.
//
// The build tag teeth_lease takes this check out, for the control runs of test/attack.
func byHolder(who identity.Identity) bool { return who.Inside() == "" }
