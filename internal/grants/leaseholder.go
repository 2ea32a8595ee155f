//go:build !teeth_lease

package grants

import "github.com/muxward/muxward/internal/identity"

// holds reports whether this is the hand of the lease's holder. From inside a pane it is
// that of whoever may type there, or has left something there. What runs in the panes of a
// server runs as its owner, who may be the holder: without a terminal nobody can tell that
// from them. Who is supposed has no hands.
//
// The build tag teeth_lease takes this check out, for the control runs of test/attack.
func (l Lease) holds(who identity.Identity) bool {
	if who.Person() != l.Holder || l.Holder == "" || who.Inside() != "" {
		return false
	}
	_, local := who.UID()
	return who.IsSupposed() || !local || !who.Detached()
}
