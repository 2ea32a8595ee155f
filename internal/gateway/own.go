package gateway

import (
	"reflect"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// independent is the client flag that asks for a place of one's own.
const independent = "independent"

// asksOwn reports whether the flags of a client ask for a place of one's own.
func asksOwn(flags string) bool { return slices.Contains(strings.Split(flags, ","), independent) }

// ownPlace gives a guest a place of their own in a session, if they ask for one
// or may not view all of the session. They are shown one window there, and of it
// the panes that they may view; where they begin is what they named, what is
// current, or the first of what they may view.
func (r *resolver) ownPlace(s *tmux.Session, all []Need) bool {
	if _, control := r.req.Client.(ControlClient); control {
		return false // what it is told is told of the whole session
	}
	flags, _ := r.plan.Invocation.Get('f')
	if !asksOwn(flags) && r.live.DecideAll(all).Allow {
		return false
	}
	viewed := r.g.viewed(r.live, r.scene, s.ID)
	at, ok := r.begins(viewed, s)
	if !ok {
		return false
	}
	r.plan.Own, r.plan.Found = true, at
	r.plan.Needs = slices.DeleteFunc(r.plan.Needs, func(n Need) bool {
		return n.Verb == access.View && n.Object.Kind == access.Session && !n.Whole
	})
	r.plan.Needs = append(r.plan.Needs, r.live.JoiningPanes(r.owner, r.scene.incarnation, r.scene.snap, s.ID, at.Window.Panes)...)
	return true
}

// begins is where somebody begins by what they may view of a session.
func (r *resolver) begins(viewed *tmux.Snapshot, s *tmux.Session) (at tmux.Found, ok bool) {
	if at.Session = viewed.Session(s.ID); at.Session == nil {
		return at, false
	}
	named := r.plan.Found
	target, _ := r.plan.Invocation.Get('t')
	switch {
	case strings.Contains(target, ":") && named.Link != nil:
		at.Link = at.Session.Link(named.Link.Index)
	case strings.Contains(target, ":"):
		return at, false
	case at.Session.CurrentLink() != nil:
		at.Link = at.Session.CurrentLink()
	default:
		at.Link = &at.Session.Links[0]
	}
	if at.Link == nil {
		return at, false
	}
	at.Index, at.Window = at.Link.Index, viewed.Window(at.Link.Window)
	if at.Window == nil || len(at.Window.Panes) == 0 {
		return at, false
	}
	if strings.Contains(target, ".") { // that pane or none
		at.Pane = viewed.Pane(named.Pane.ID)
		return at, at.Whole()
	}
	if at.Pane = viewed.ActivePane(at.Window); at.Pane == nil {
		at.Pane = viewed.Pane(at.Window.Panes[0])
	}
	return at, at.Whole()
}

// viewed is the part of one session that a person may view.
func (g *Gateway) viewed(l *Live, s scene, session tmux.SessionID) *tmux.Snapshot {
	at := g.Time()
	var last *tmux.Winlink
	var window access.Object
	return s.snap.Visible(func(t *tmux.Session, link *tmux.Winlink, p *tmux.Pane) bool {
		if t.ID != session {
			return false
		}
		if link != last {
			window, last = s.window(t, link), link
		}
		return g.viewedAt(l.who, paneIn(window, p), at)
	})
}

// JoiningPanes are the needs of whoever begins to look at panes of a session that they
// may view.
func (l *Live) JoiningPanes(owner, incarnation string, snap *tmux.Snapshot, session tmux.SessionID, panes []tmux.PaneID) []Need {
	var all []Need
	for _, id := range panes {
		if r, there := l.PaneRight(access.View, owner, incarnation, snap, session, id); there {
			all = append(all, Joining(r.Need().Object))
		}
	}
	return all
}

// PaneRight prepares the right to do something to a pane of a session: by a place of
// its window there by which it is permitted now, else by the first. It is false if
// the pane is not there.
func (l *Live) PaneRight(verb access.Verb, owner, incarnation string, snap *tmux.Snapshot, session tmux.SessionID, pane tmux.PaneID) (*Right, bool) {
	t, p := snap.Session(session), snap.Pane(pane)
	if t == nil || p == nil {
		return nil, false
	}
	var first *Right
	for i := range t.Links {
		if t.Links[i].Window != p.Window {
			continue
		}
		r := l.Right(Need{Verb: verb, Object: scene{owner, incarnation, snap}.pane(t, &t.Links[i], p)})
		if r.Decide().Allow {
			return r, true
		}
		if first == nil {
			first = r
		}
	}
	return first, first != nil
}

// StillCalled reports whether a pane of a session is called, by any place of its window
// there, as it was when this object was decided on.
func StillCalled(on access.Object, snap *tmux.Snapshot, session tmux.SessionID) bool {
	t, p := snap.Session(session), snap.Pane(tmux.PaneID(on.Pane.ID))
	if t == nil || p == nil {
		return false
	}
	s := scene{on.Owner, on.Incarnation, snap}
	for i := range t.Links {
		if l := &t.Links[i]; l.Window == p.Window && reflect.DeepEqual(s.pane(t, l, p), on) {
			return true
		}
	}
	return false
}

// Viewed gives the part of one session that the person may view now, by a
// snapshot of its server.
func (l *Live) Viewed(owner, incarnation string, snap *tmux.Snapshot, session tmux.SessionID) *tmux.Snapshot {
	return l.g.viewed(l, scene{owner, incarnation, snap}, session)
}
