package policy

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// byPane reports whether a governing verb is asked for from inside a pane, where others
// may type, too.
func byPane(who identity.Subject, verb access.Verb) bool {
	return who.Inside != "" && Governing.Has(verb) && !teeth.Out(teeth.Hand)
}
