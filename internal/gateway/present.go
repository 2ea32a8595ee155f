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

// TypingFor is how long after a key somebody is said to be typing.
const TypingFor = 3 * time.Second

// Typed notes that the person of the permit types something now, wherever it
// goes.
func (l *Live) Typed() { l.typed.Store(time.Now().UnixNano()) }

// typedBy adds when they typed to what is told of them.
func (l *Live) typedBy(a Attached) Attached {
	if at := l.typed.Load(); at != 0 {
		when := time.Unix(0, at)
		a.Typed, a.Typing = &when, time.Since(when) < TypingFor
	}
	return a
}

// Present is somebody who is at a session, as others there are told.
type Present struct {
	Person string
	// MayType: they may type into the pane that is active there. Typing: they
	// have typed just now.
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
			seats = append(seats, seat{l, l.typedBy(l.about)})
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
	// Needs are what that rests on: who shows it ends it with them.
	Needs []Need
	// People are those at the sessions of Visible.
	People map[tmux.SessionID][]Present
}

// Sight tells what a person may view of owner's server.
func (g *Gateway) Sight(ctx context.Context, who identity.Identity, owner string) (Sight, error) {
	live, ctx := g.begin(ctx, who)
	defer live.end()
	server := g.Servers.Server(owner)
	if server == nil {
		return Sight{}, ErrServerEnded
	}
	snap, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return Sight{}, fmt.Errorf("ask %s's tmux server for its state: %w", owner, err)
	}
	s := scene{owner, server.Incarnation(), snap}
	sight := Sight{Visible: g.visible(live, s, g.viewedAt), People: map[tmux.SessionID][]Present{}}
	people := g.Present(owner, s.incarnation, snap)
	for i := range sight.Visible.Sessions {
		seen := &sight.Visible.Sessions[i]
		sight.Needs = append(sight.Needs, s.rests(seen, sight.Visible)...)
		sight.People[seen.ID] = people[seen.ID]
	}
	return sight, ctx.Err()
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
