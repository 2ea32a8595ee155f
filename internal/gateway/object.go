package gateway

import (
	"errors"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// scene turns what tmux has into objects of decisions: one snapshot of one
// incarnation of one server.
type scene struct {
	owner       string
	incarnation string
	snap        *tmux.Snapshot
}

func (s scene) server() access.Object {
	return access.Object{Kind: access.Server, Owner: s.owner, Incarnation: s.incarnation}
}

func (s scene) session(t *tmux.Session) access.Object {
	o := s.server()
	o.Kind = access.Session
	o.Session = access.SessionRef{ID: uint32(t.ID), Name: t.Name}
	return o
}

// window is a window as reached by one link; every other link is noted, so
// that a forbid on any of them counts.
func (s scene) window(t *tmux.Session, l *tmux.Winlink) access.Object {
	o := s.session(t)
	o.Kind = access.Window
	o.Session.Index = l.Index
	o.Window = access.WindowRef{ID: uint32(l.Window)}
	for _, other := range s.snap.SessionsOf(l.Window) {
		for _, ol := range other.Links {
			if ol.Window == l.Window && (other.ID != t.ID || ol.Index != l.Index) {
				o.Links = append(o.Links, access.SessionRef{
					ID: uint32(other.ID), Name: other.Name, Index: ol.Index,
				})
			}
		}
	}
	return o
}

func (s scene) pane(t *tmux.Session, l *tmux.Winlink, p *tmux.Pane) access.Object {
	return paneIn(s.window(t, l), p)
}

// paneIn is a pane of a window, reached as the window was.
func paneIn(window access.Object, p *tmux.Pane) access.Object {
	window.Kind = access.Pane
	window.Pane = access.PaneRef{ID: uint32(p.ID), Index: p.Index}
	return window
}

// object turns an object of the command table into one of decisions. A window
// without a path of its own is reached by the session that was asked for, or
// by any other that holds it: every link is looked at for what forbids.
func (s scene) object(o tmux.Object, asked *tmux.Session) (access.Object, error) {
	lost := &NotFound{Err: errors.New("it has gone meanwhile; try again"), MayAppear: true}
	if o.Kind == tmux.ServerObject {
		return s.server(), nil
	}
	var t *tmux.Session
	switch {
	case o.HasSession:
		t = s.snap.Session(o.Session)
	case asked != nil && linkOf(s.snap.Session(asked.ID), o.Window) != nil:
		t = s.snap.Session(asked.ID)
	default:
		if all := s.snap.SessionsOf(o.Window); len(all) > 0 {
			t = all[0]
		}
	}
	if t == nil {
		return access.Object{}, lost
	}
	if o.Kind == tmux.SessionObject {
		return s.session(t), nil
	}
	l := linkOf(t, o.Window)
	if l == nil {
		return access.Object{}, lost
	}
	if o.Kind == tmux.WindowObject {
		return s.window(t, l), nil
	}
	p := s.snap.Pane(o.Pane)
	if p == nil || p.Window != o.Window {
		return access.Object{}, lost
	}
	return s.pane(t, l, p), nil
}

// seeing is what it needs to see all that a session shows: the session itself,
// with whatever comes into it; each of its windows by every way to it, as one
// that is linked from elsewhere may have been taken there; and each of their
// panes, as one may have been taken before it was moved here.
func (s scene) seeing(t *tmux.Session) []Need {
	needs := []Need{{Whole: true, Verbs: access.SetOf(access.View), Object: s.session(t)}}
	whole := s.snap.Session(t.ID)
	if whole == nil {
		return needs // it has gone meanwhile
	}
	for i := range whole.Links {
		l := &whole.Links[i]
		needs = append(needs, Need{Verb: access.View, Object: s.window(whole, l)})
		if w := s.snap.Window(l.Window); w != nil {
			for _, id := range w.Panes {
				if p := s.snap.Pane(id); p != nil {
					needs = append(needs, Need{Verb: access.View, Object: s.pane(whole, l, p)})
				}
			}
		}
	}
	return needs
}

// Seeing gives what it needs to see all that a session of the snapshot shows.
func Seeing(owner, incarnation string, snap *tmux.Snapshot, t *tmux.Session) []Need {
	return scene{owner, incarnation, snap}.seeing(t)
}

// InPlace reports whether an object is in a snapshot under the name and at the place
// that it has in what it was made of.
func InPlace(o access.Object, snap *tmux.Snapshot) bool {
	if o.Kind < access.Session {
		return true
	}
	t := snap.Session(tmux.SessionID(o.Session.ID))
	if o.Kind >= access.Window {
		t = snap.SessionByName(o.Session.Name)
	}
	if t == nil || t.Name != o.Session.Name {
		return false
	}
	if o.Kind == access.Session {
		return true
	}
	for _, l := range t.Links {
		if l.Index != o.Session.Index || uint32(l.Window) != o.Window.ID {
			continue
		}
		if o.Kind == access.Window {
			return true
		}
		p := snap.Pane(tmux.PaneID(o.Pane.ID))
		return p != nil && p.Window == l.Window && p.Index == o.Pane.Index
	}
	return false
}

func linkOf(t *tmux.Session, w tmux.WindowID) *tmux.Winlink {
	if t == nil {
		return nil
	}
	for i := range t.Links {
		if t.Links[i].Window == w {
			return &t.Links[i]
		}
	}
	return nil
}

// PaneObject gives the object of a pane of the snapshot as reached by the
// session, or false if it is not (any more) there.
func PaneObject(owner, incarnation string, snap *tmux.Snapshot, session tmux.SessionID, pane tmux.PaneID) (access.Object, bool) {
	t, p := snap.Session(session), snap.Pane(pane)
	if t == nil || p == nil {
		return access.Object{}, false
	}
	l := linkOf(t, p.Window)
	if l == nil {
		return access.Object{}, false
	}
	return scene{owner, incarnation, snap}.pane(t, l, p), true
}
