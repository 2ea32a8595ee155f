package policy

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// capped is what was declared, as far as the policy lets declarations give it.
func capped(declared, most access.VerbSet) access.VerbSet {
	if teeth.Out(teeth.Declared) {
		return declared
	}
	return declared & most
}
