package gateway

import (
	"slices"
	"strconv"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// uses notes what is reached by a permit besides tmux, for who asks who is there.
func (l *Live) uses(plan *Plan) {
	if plan.Object.Reach == nil || len(plan.Needs) == 0 {
		return
	}
	verb := plan.Needs[0].Verb
	l.mu.Lock()
	defer l.mu.Unlock()
	l.using = &Attached{Person: l.who.Person(), Door: l.who.Door(), Account: l.who.Account(), Mode: verb.String(),
		Reaches: reached(verb, plan.Needs), Since: l.g.Time(), From: l.who.From(), who: l.who}
}

// reached names what is reached. A name with several addresses stands for them: which of them
// has answered is not the gateway's to know.
func reached(v access.Verb, needs []Need) string {
	r := needs[0].Object.Reach
	text := r.String()
	switch {
	case v == access.Agent:
		text = "agent"
	case v == access.Subsystem:
		text = r.Name
	case len(needs) > 1:
		text = "tcp:" + r.Name + ":" + strconv.Itoa(int(r.Port))
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
