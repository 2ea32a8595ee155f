package executor

import (
	"slices"

	"github.com/muxward/muxward/internal/tmux"
)

// This file is about going where somebody else goes, in a session. It tells nothing
// but what the follower may view: if the other person is anywhere else, the follower
// stays where they are.

// attend notes that somebody is at a place of their own, and forgoes that they are.
func (e *Executor) attend(o *own) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.owns = append(e.owns, o)
}

func (e *Executor) forgo(o *own) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.owns = slices.DeleteFunc(e.owns, func(other *own) bool { return other == o })
}

// others are those who are at places of their own on the same server.
func (e *Executor) others(but *own) []*own {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.owns), func(o *own) bool {
		return o == but || o.s.server.Owner() != but.s.server.Owner() || o.s.server.Incarnation() != but.s.server.Incarnation()
	})
}

// lead has those look again who follow somebody who has gone elsewhere.
func (o *own) lead() {
	person := o.s.live.Who().Person()
	for _, other := range o.s.e.others(o) {
		if other.whom() == person {
			other.wake()
		}
	}
}

// whom is who is followed, "" for nobody.
func (o *own) whom() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.follows
}

func (o *own) at() place {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.here
}

// leader is where the person is who is followed, by a state of the server, if that
// is in the session: at a place of their own, or else at what their display shows.
func (o *own) leader(snap *tmux.Snapshot) (window tmux.WindowID, pane tmux.PaneID, ok bool) {
	person := o.whom()
	if person == "" {
		return 0, 0, false
	}
	session := o.s.stage.Load().session.ID
	for _, other := range o.s.e.others(o) {
		if at := other.at(); at.session == session && other.s.live.Who().Person() == person {
			return at.window, at.pane, true
		}
	}
	var latest *tmux.Client
	for _, a := range o.s.e.Gateway().Who() {
		if a.Person != person || a.Owner != o.s.server.Owner() {
			continue
		}
		if c := snap.Client(a.Display); c != nil && c.Session == session && (latest == nil || c.Activity > latest.Activity) {
			latest = c
		}
	}
	at := snap.Session(session)
	if latest == nil || at == nil || at.CurrentLink() == nil {
		return 0, 0, false
	}
	w := snap.Window(at.CurrentLink().Window)
	if w == nil || !w.HasActive {
		return 0, 0, false
	}
	return w.ID, w.Active, true
}

// follow has the place be where the person is who is followed, as far as that may be
// viewed.
func (p place) follow(view *tmux.Snapshot, window tmux.WindowID, pane tmux.PaneID) place {
	at, w := view.Session(p.session), view.Window(window)
	if at == nil || at.LinkOf(window) == nil || w == nil || len(w.Panes) == 0 {
		return p
	}
	if !slices.Contains(w.Panes, pane) {
		pane = p.paneOf(view, w)
	}
	return p.to(window, pane)
}
