package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// TypingStep is how finely it is told when somebody types: when between two keys of
// theirs is nobody's business, and what asks for a password does not show it either.
const TypingStep = 10 * time.Second

// Typed notes that the person of the permit types something now, wherever it
// goes.
func (l *Live) Typed() {
	step := l.g.typingStep()
	if was := l.typed.Load(); uint32(was) != step { // only the pump of their input gets here
		l.typed.Store(was<<32 | uint64(step))
	}
}

// typingStep counts the steps by which it is told who types.
func (g *Gateway) typingStep() uint32 {
	return uint32(g.Time().UnixNano() / int64(TypingStep)) // it comes round after 1,300 years
}

// typing reports whether they have typed in the step that is over: what they do in
// the one that is not is told of when it is.
func (l *Live) typing() bool {
	steps, over := l.typed.Load(), l.g.typingStep()-1
	return steps != 0 && (uint32(steps) == over || uint32(steps>>32) == over && uint32(steps) == over+1)
}

// told is what is told of them now.
func (l *Live) told() Attached {
	a := l.about
	a.Typing, a.who = l.typing(), l.who
	return a
}

// Present is somebody who is at a session, as others there are told.
type Present struct {
	Person string
	// MayType: they may type into the pane that is active there. Typing: they
	// have typed lately, by steps of TypingStep.
	MayType, Typing bool
}

// Present tells who is attached to each session of a state of owner's server.
// The state must be a whole one: which pane is active is not what some may see.
func (g *Gateway) Present(owner, incarnation string, snap *tmux.Snapshot) map[tmux.SessionID][]Present {
	type seat struct {
		l     *Live
		about Attached
	}
	var seats []seat
	g.mu.Lock()
	for _, l := range g.lives {
		l.mu.Lock()
		if l.watch != nil && l.about.Person != "" && l.about.Owner == owner {
			seats = append(seats, seat{l, l.told()})
		}
		l.mu.Unlock()
	}
	g.mu.Unlock()
	all := map[tmux.SessionID][]Present{}
	at := scene{owner, incarnation, snap}
	for _, s := range seats {
		id, err := tmux.ParseSessionID(s.about.Session)
		if err != nil || snap.Session(id) == nil {
			continue // it has ended, and so will they
		}
		p := Present{Person: s.about.Person, Typing: s.about.Typing}
		if pane, ok := at.active(id); ok {
			p.MayType = s.l.Decide(Need{Verb: access.Type, Object: pane}).Allow
		}
		if i := slices.IndexFunc(all[id], func(q Present) bool { return q.Person == p.Person }); i >= 0 {
			q := &all[id][i] // they are there twice
			q.MayType, q.Typing = q.MayType || p.MayType, q.Typing || p.Typing
			continue
		}
		all[id] = append(all[id], p)
	}
	for _, there := range all {
		slices.SortFunc(there, func(a, b Present) int { return strings.Compare(a.Person, b.Person) })
	}
	return all
}

// active is the pane that is active in a session.
func (s scene) active(id tmux.SessionID) (access.Object, bool) {
	t := s.snap.Session(id)
	l := t.CurrentLink()
	if l == nil {
		return access.Object{}, false
	}
	w := s.snap.Window(l.Window)
	if w == nil || !w.HasActive {
		return access.Object{}, false
	}
	p := s.snap.Pane(w.Active)
	if p == nil {
		return access.Object{}, false
	}
	return s.pane(t, l, p), true
}

// Sight is what a person may view of one server, and who is there.
type Sight struct {
	// Visible is the part of the server's state that they may view.
	Visible *tmux.Snapshot
	// More is how many windows are left out there, as they are too many to be shown.
	More int
	// Needs are what that rests on: who shows it ends it with them.
	Needs []Need
	// People are those at the sessions of Visible of whom the person is told, and
	// Told what that rests on.
	People map[tmux.SessionID][]Present
	Told   map[tmux.SessionID][]Need
}

// maxSight is how many windows are told of: each is one more right that a list of
// them rests on.
const maxSight = 1000

// Sight tells what a person may view of owner's server.
func (g *Gateway) Sight(ctx context.Context, who identity.Identity, owner string) (Sight, error) {
	live, ctx := g.begin(ctx, who)
	defer live.end()
	server := g.server(owner)
	if server == nil {
		return Sight{}, ErrServerEnded
	}
	snap, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return Sight{}, fmt.Errorf("ask %s's tmux server for its state: %w", owner, err)
	}
	s := scene{owner, server.Incarnation(), snap}
	sight := Sight{Visible: g.visible(live, s, g.viewedAt), People: map[tmux.SessionID][]Present{}, Told: map[tmux.SessionID][]Need{}}
	sight.cut(maxSight)
	people := g.Present(owner, s.incarnation, snap)
	for i := range sight.Visible.Sessions {
		seen := &sight.Visible.Sessions[i]
		sight.Needs = append(sight.Needs, s.rests(seen, sight.Visible)...)
		there, needs := g.introduced(who, s, seen, sight.Visible, people[seen.ID])
		if len(there) > 0 {
			sight.People[seen.ID], sight.Told[seen.ID] = there, needs
		}
	}
	return sight, ctx.Err()
}

// cut leaves out what is behind the first windows, and sessions without one.
func (s *Sight) cut(most int) {
	var kept []tmux.Session
	for _, t := range s.Visible.Sessions {
		n := min(len(t.Links), most)
		s.More += len(t.Links) - n
		most -= n
		if t.Links = t.Links[:n]; n > 0 {
			kept = append(kept, t)
		}
	}
	s.Visible.Sessions = kept
}

// WhoFor lists the people who are attached as one person is told of them: those on
// whatever they hold a verb on, and themselves. From where somebody comes and what they
// may do is told to them, and to who may kick them there.
func (g *Gateway) WhoFor(who identity.Identity) []Attached {
	out := []Attached{}
	for _, a := range g.Who() {
		var held access.VerbSet
		o, err := g.sessionOf(a)
		if err == nil {
			held = g.heldAt(who, o, g.Time())
		}
		mine := a.Person == who.Person()
		if !mine && !sees(held) {
			continue
		}
		if mine || held.Has(access.Kick) {
			a.From = a.who.From()
			a.Verbs = append(a.Verbs, g.heldAt(a.who, o, g.Time()).Names()...)
		}
		if mine || a.At.Kind != access.Pane || g.heldAt(who, a.At, g.Time()).Has(access.View) {
			a.Bound, a.Watchers = g.underEyes(a, o) // where others go about is not told
		}
		a.RunAs = g.accountsIn(who, a.Owner, tmux.SessionID(o.Session.ID))
		out = append(out, a)
	}
	told := func(name string) bool {
		return slices.ContainsFunc(out, func(a Attached) bool { return a.Person == name })
	}
	for i := range out {
		if a := &out[i]; a.Person != who.Person() {
			a.Watchers = slices.DeleteFunc(a.Watchers, func(name string) bool { return !told(name) })
		}
	}
	return out
}

// underEyes reports whether somebody types where they are only while somebody watches,
// and who does.
func (g *Gateway) underEyes(a Attached, session access.Object) (bound bool, watchers []string) {
	on, who := session, a.who
	if a.At.Kind == access.Pane {
		on = a.At
	} else if s := g.server(session.Owner); s != nil && s.Known() != nil {
		at := scene{session.Owner, session.Incarnation, s.Known()}
		if pane, ok := at.active(tmux.SessionID(session.Session.ID)); ok {
			on = pane
		}
	}
	now := g.Time()
	d := g.verdict(nil, who, Need{Verb: access.Type, Object: on}, g.generation(), now)
	if !d.Allow || !d.Obligations.Has(access.Watched) {
		return false, nil
	}
	return true, g.watch(who, on, now).People
}

// sessionOf is the session at which somebody is.
func (g *Gateway) sessionOf(a Attached) (access.Object, error) {
	id, err := tmux.ParseSessionID(a.Session)
	o := access.Object{Kind: access.Session, Owner: a.Owner, Session: access.SessionRef{ID: uint32(id), Name: a.Name}}
	if s := g.Servers.Server(a.Owner); s != nil {
		o.Incarnation = s.Incarnation()
	}
	return o, err
}

// introduced gives those at a session of whom somebody is told, by the rule of WhoFor,
// and what that rests on. Who may type where, and who types, is told of what they may view.
func (g *Gateway) introduced(who identity.Identity, s scene, seen *tmux.Session, visible *tmux.Snapshot, there []Present) (told []Present, needs []Need) {
	session := s.session(s.snap.Session(seen.ID))
	held := g.heldAt(who, session, g.Time())
	active, shown := s.shownActive(seen, visible)
	whole := s.allSeen(seen, visible)
	for _, p := range there {
		if !sees(held) && p.Person != who.Person() {
			continue
		}
		p.MayType, p.Typing = p.MayType && shown, p.Typing && whole
		told = append(told, p)
	}
	if len(told) == 0 {
		return nil, nil
	}
	if verbs := held.List(); len(verbs) > 0 {
		verb := verbs[0]
		if held.Has(access.View) {
			verb = access.View
		}
		needs = append(needs, Need{Verb: verb, Object: session})
	}
	if shown {
		needs = append(needs, Need{Verb: access.View, Object: active})
	}
	return told, needs
}

// shownActive is the pane that is active in a session, if that is to be seen.
func (s scene) shownActive(seen *tmux.Session, visible *tmux.Snapshot) (access.Object, bool) {
	l := seen.CurrentLink()
	if l == nil {
		return access.Object{}, false
	}
	if w := visible.Window(l.Window); w == nil || !w.HasActive {
		return access.Object{}, false
	}
	return s.active(seen.ID)
}

// allSeen reports whether every pane of a session is to be seen.
func (s scene) allSeen(seen *tmux.Session, visible *tmux.Snapshot) bool {
	whole := s.snap.Session(seen.ID)
	if len(seen.Links) != len(whole.Links) { // or they are too many
		return false
	}
	for i := range seen.Links {
		in, all := visible.Window(seen.Links[i].Window), s.snap.Window(seen.Links[i].Window)
		if in == nil || all == nil || len(in.Panes) != len(all.Panes) {
			return false
		}
	}
	return true
}

// rests gives the rights by which a session and its windows are seen: of each
// window that to one pane that is.
func (s scene) rests(seen *tmux.Session, visible *tmux.Snapshot) (needs []Need) {
	whole := s.snap.Session(seen.ID)
	for i := range seen.Links {
		l := whole.Link(seen.Links[i].Index)
		w := visible.Window(seen.Links[i].Window)
		if l == nil || w == nil {
			continue
		}
		for _, id := range w.Panes {
			if p := s.snap.Pane(id); p != nil {
				needs = append(needs, Need{Verb: access.View, Object: s.pane(whole, l, p)})
				break
			}
		}
	}
	return needs
}
