package gateway

import (
	"net/netip"
	"slices"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// Uses notes what is reached by a permit besides tmux, for who asks who is there: once it is
// open. at is the address and port where that is, if it has one; more is what else is known of it.
func (p *Permit) Uses(at netip.AddrPort, more string) {
	if p.plan.Object.Reach == nil || len(p.plan.Needs) == 0 {
		return
	}
	l, verb := p.live, p.plan.Needs[0].Verb
	l.mu.Lock()
	defer l.mu.Unlock()
	l.using = &Attached{Person: l.who.Person(), Door: l.who.Door(), Account: l.who.Account(), Mode: verb.String(),
		Reaches: reached(verb, *p.plan.Needs[0].Object.Reach, at, more), Since: l.g.Time(), From: l.who.From(), who: l.who}
}

// reached names what is reached, where it is.
func reached(v access.Verb, r access.Reach, at netip.AddrPort, more string) string {
	if at.IsValid() { // of several addresses, and any port, it is this one
		r.Addr, r.Port = at.Addr().Unmap(), at.Port()
	}
	text := r.String()
	switch v {
	case access.Agent:
		text = "agent"
	case access.Subsystem:
		text = r.Name
	}
	if more != "" {
		text += " (" + more + ")"
	}
	return tmux.Clean(text)
}

// UsesFor lists what people have open besides tmux, as one person is told of it: what is their
// own, and to who may revoke it, or read the log, everybody's.
func (g *Gateway) UsesFor(who identity.Identity) []Attached {
	held := g.heldAt(who, access.Object{Kind: access.Host}, g.Time())
	all := held.Has(access.Kick) || held.Has(access.Audit)
	g.mu.Lock()
	lives := make([]*Live, 0, len(g.lives))
	for _, l := range g.lives {
		lives = append(lives, l)
	}
	g.mu.Unlock()
	out := []Attached{}
	for _, l := range lives {
		l.mu.Lock()
		if l.using != nil && (all || l.who.Person() == who.Person()) {
			out = append(out, *l.using)
		}
		l.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Attached) int { return a.Since.Compare(b.Since) })
	return out
}
