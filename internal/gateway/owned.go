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
	// Astray says why the account that the server runs as is known to be another's than its owner's by now, nil if
	// it is not. Nothing is looked up for it.
	Astray() error
}

// RuleAnothers is the rule of decisions that keep a server of an account from who has its owner's name.
const RuleAnothers = "another account's server"

// askedAgain is how long such a decision is good for: files that could not be read may be by then.
const askedAgain = time.Second

// RuleStranger is the rule of decisions about who is not whom they came in as any more.
const RuleStranger = "the account is another's by now"

// Here gives who everybody is of whom a permit is in use.
func (g *Gateway) Here() (all []identity.Identity) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lives {
		all = append(all, l.who)
	}
	return all
}

// stranger says why somebody is not whom they came in as any more, nil if they are.
func (g *Gateway) stranger(who identity.Identity) error {
	if g.Strangers == nil {
		return nil
	}
	return g.Strangers(who)
}

// strayed are the verbs that nobody holds on an object because its server runs as another's account, and why.
// Guests can still take back there what was given.
func (g *Gateway) strayed(who identity.Identity, o access.Object) (access.VerbSet, error) {
	why := g.anothers(who, o)
	switch {
	case why == nil:
		return 0, nil
	case o.Owner == who.Person():
		return ^access.VerbSet(0), why
	}
	return ^access.Governing, why
}

// anothers says why an object is on a server that runs as another's account than its owner's, nil if it is
// not. Guests were let in there to what is the owner's.
func (g *Gateway) anothers(who identity.Identity, o access.Object) error {
	if o.Kind < access.Server || g.Servers == nil || teeth.Out(teeth.Owned) {
		return nil
	}
	s := g.Servers.Server(o.Owner)
	owned, ok := s.(Owned)
	switch {
	case !ok || isolated(s): // that is nobody's own
		return nil
	case o.Owner == who.Person():
		return owned.OwnedBy(who)
	}
	return owned.Astray()
}
