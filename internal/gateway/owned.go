package gateway

import (
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// Owned is a [Server] that runs as an account of its owner's. Its owner is a name; whose that is may
// change while it runs: an account is removed and its name given anew, or people.yaml gives the
// person another one. Whoever has the name then would be in a shell of an account that is not theirs.
type Owned interface {
	// OwnedBy says why somebody of the owner's name is not whom the server runs as, nil if they are. It
	// waits for nobody.
	OwnedBy(who identity.Identity) error
}

// RuleAnothers is the rule of decisions that keep a server of an account from who has its owner's name.
const RuleAnothers = "another account's server"

// askedAgain is how long such a decision is good for: files that could not be read may be by then.
const askedAgain = time.Second

// anothers says why an object on what would be a person's own server is nothing of theirs, nil if it is
// theirs or somebody else's.
func (g *Gateway) anothers(who identity.Identity, o access.Object) error {
	if o.Kind < access.Server || o.Owner != who.Person() || g.Servers == nil || teeth.Out(teeth.Owned) {
		return nil
	}
	s := g.Servers.Server(o.Owner)
	owned, ok := s.(Owned)
	if !ok || isolated(s) { // that is nobody's own
		return nil
	}
	return owned.OwnedBy(who)
}
