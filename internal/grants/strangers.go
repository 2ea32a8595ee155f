package grants

import (
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// strangers reports whether two people are not the same.
func strangers(one, other string) bool { return one != other || teeth.Out(teeth.Self) }

// samePerson reports whether two proofs are of one person, by whatever doors.
func samePerson(one, other identity.Identity) bool {
	if teeth.Out(teeth.Self) {
		return one.Serial() == other.Serial()
	}
	return one.Person() == other.Person()
}
