//go:build !teeth_hand

package policy

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// byPane reports whether a governing verb is asked for from inside a pane, where others
// may type, too.
//
// The build tag teeth_hand takes this check out, for the control runs of
// test/attack.
func byPane(who identity.Subject, verb access.Verb) bool {
	return who.Inside != "" && Governing.Has(verb)
}
