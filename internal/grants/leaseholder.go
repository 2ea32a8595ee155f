package grants

import (
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// holds reports whether this is the hand of the lease's holder. From inside a pane it is
// that of whoever may type there, or has left something there. What runs in the panes of a
// server runs as its owner, who may be the holder: without a terminal nobody can tell that
// from them. Who is supposed has no hands.
func (l Lease) holds(who identity.Identity) bool {
	if teeth.Out(teeth.Lease) {
		return true
	}
	if who.Person() != l.Holder || l.Holder == "" || who.Inside() != "" {
		return false
	}
	_, local := who.UID()
	return who.IsSupposed() || !local || !who.Detached()
}
