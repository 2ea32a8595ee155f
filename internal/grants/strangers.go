//go:build !teeth_self

package grants

import "github.com/muxward/muxward/internal/identity"

// strangers reports whether two people are not the same.
//
// The build tag teeth_self takes this check out, for the control runs of
// test/attack.
func strangers(one, other string) bool { return one != other }

// samePerson reports whether two proofs are of one person, by whatever doors.
func samePerson(one, other identity.Identity) bool { return one.Person() == other.Person() }
