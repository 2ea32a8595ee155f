package policy

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// bound reports whether somebody comes with the key that a grant is bound to, as it
// was found out.
func bound(same bool) bool { return same || teeth.Out(teeth.Chain) }

// roleVerbs gives the verbs of a role; there are none but those that are listed.
func roleVerbs(word string) (access.VerbSet, bool) {
	verbs, ok := access.Role(word).Verbs()
	if !ok && teeth.Out(teeth.Roles) {
		return access.Owner.Verbs()
	}
	return verbs, ok
}
