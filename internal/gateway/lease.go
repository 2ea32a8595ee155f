package gateway

import (
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// RuleLease is the rule of decisions that refuse what another's lease is on.
const RuleLease = "lease"

// leased refuses, of what is permitted, what the lease of another person keeps somebody
// from.
func (g *Gateway) leased(who identity.Identity, n Need, d access.Decision) access.Decision {
	l, hit := g.Leases.Match(who, n.verbs(), n.Object)
	if !hit {
		return d
	}
	reason := l.String()
	switch {
	case n.Object.Kind != access.Pane && g.Holds(who, l.On).Has(access.View):
		reason = strings.Replace(reason, "here", "of "+tmux.Clean(objectName(l.On)), 1)
	case n.Object.Kind != access.Pane:
		reason = "one person at a time types into a pane of this server"
	case l.Holder == who.Person():
		reason = "the keyboard of this pane is yours by your own hand alone: not from inside a pane, nor from what has no terminal or whose parent has ended"
	}
	return access.Decision{Rule: RuleLease, Reason: reason}
}

// holderHand reports whether somebody comes from where they could hold a lease by their
// own hand.
func holderHand(who identity.Identity) bool { return who.Inside() == "" }

// Someone gives the identities by which a person, of those who are attached, is so to
// sessions of an owner's server.
func Someone(people []Attached, person, owner string) (all []identity.Identity) {
	for _, a := range people {
		if a.Person == person && a.Owner == owner {
			all = append(all, a.who)
		}
	}
	return all
}

// There reports whether a person, of those who are attached, is so to a session that has
// a pane.
func There(people []Attached, person string, pane access.Object, snap *tmux.Snapshot) bool {
	p := snap.Pane(tmux.PaneID(pane.Pane.ID))
	return p != nil && slices.ContainsFunc(people, func(a Attached) bool {
		if a.Person != person || a.Owner != pane.Owner {
			return false
		}
		id, err := tmux.ParseSessionID(a.Session)
		s := snap.Session(id)
		return err == nil && s != nil && s.LinkOf(p.Window) != nil
	})
}

// Into notes what the person of the permit types into a pane, as far as it tells whether
// a line is begun there.
func (l *Live) Into(pane access.Object, typed []byte) {
	if len(l.g.Leases.List()) == 0 || len(typed) == 0 {
		return
	}
	l.g.Leases.Typed(l.who.Person(), pane, !strings.ContainsRune(lineEnds, rune(typed[len(typed)-1])))
}

// IntoActive is Into for the pane that is active in a session, as far as that is known.
func (l *Live) IntoActive(server Server, session tmux.SessionID, typed []byte) {
	snap := server.Known()
	if len(l.g.Leases.List()) == 0 || snap == nil || snap.Session(session) == nil {
		return
	}
	if pane, ok := (scene{server.Owner(), server.Incarnation(), snap}).active(session); ok {
		l.Into(pane, typed)
	}
}

// into is Into for a command.
func (l *Live) into(plan *Plan) {
	if len(l.g.Leases.List()) == 0 || plan.Invocation == nil {
		return
	}
	last := "?" // whatever it types, there is something
	if args := plan.Invocation.Args; len(args) > 0 && args[len(args)-1] != "" {
		last = args[len(args)-1]
	}
	for _, n := range plan.Needs {
		if n.Verb == access.Type && !n.Whole && n.Object.Kind == access.Pane {
			l.Into(n.Object, KeyTyped(last))
		}
	}
}

// KeyTyped is what a key types, by its name, as far as [Live.Into] looks at it.
func KeyTyped(key string) []byte {
	switch key {
	case "Enter", "KPEnter", "C-m", "C-j":
		return []byte{'\r'}
	case "C-c", "C-d", "C-u":
		return []byte{key[2] & 0x1f}
	}
	return []byte(key)
}

// lineEnds are the bytes after which no line is begun: what sends one, and what throws
// one away (C-c, C-d, C-u).
const lineEnds = "\r\n\x03\x04\x15"
