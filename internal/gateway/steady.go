package gateway

import (
	"fmt"
	"slices"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// steady keeps people from gaining rights by changing indexes, which policy may
// go by: a new pane moves those after it on, one that closes lets them move up,
// and so does a window that closes where renumber-windows is on. Who would hold a
// verb more on one of them, or one without a duty that comes with it now, may not. (Otherwise names of sessions and indexes of
// windows are changed by nobody who does not hold every verb: see [tmux.Flag].)
func (r *resolver) steady() error {
	asked := tmux.Resolved{Target: r.plan.Found, Source: r.plan.Source}
	for _, m := range r.plan.Invocation.Moves(r.scene.snap, asked) {
		if r.gains(m) {
			return fmt.Errorf("%s: pane %d would become pane %d, on which you hold other rights",
				r.plan.Invocation.Row.Name, m.Pane.Index, m.Index)
		}
	}
	for _, m := range r.plan.Invocation.WindowMoves(r.scene.snap, asked) {
		if r.gainsWindow(m) {
			return fmt.Errorf("%s: window %d would become window %d, on which you hold other rights",
				r.plan.Invocation.Row.Name, m.Link.Index, m.Index)
		}
	}
	return nil
}

// gainsWindow reports whether the person would hold more on a pane of a window
// by its other index.
func (r *resolver) gainsWindow(m tmux.WindowMove) bool {
	there := tmux.Winlink{Index: m.Index, Window: m.Link.Window}
	for i := range r.scene.snap.Panes {
		p := &r.scene.snap.Panes[i]
		if p.Window != m.Link.Window {
			continue
		}
		o := r.scene.pane(m.Session, &there, p)
		o.Links = slices.DeleteFunc(o.Links, func(l access.SessionRef) bool {
			return l.ID == uint32(m.Session.ID) && l.Index == m.Link.Index // it is there no more
		})
		if !r.holds(r.scene.pane(m.Session, m.Link, p)).covers(r.holds(o)) {
			return true
		}
	}
	return false
}

// gains reports whether the person would hold more on a pane at its other
// place. In the same window each way to it is compared with itself; into
// another window, what leads there with all that leads to it now.
func (r *resolver) gains(m tmux.Move) bool {
	there := *m.Pane
	there.Index, there.Window = m.Index, m.To.ID
	all := free(access.AllVerbs)
	r.ways(m.Pane.Window, func(s *tmux.Session, l *tmux.Winlink) {
		all = all.and(r.holds(r.scene.pane(s, l, m.Pane)))
	})
	more := false
	r.ways(m.To.ID, func(s *tmux.Session, l *tmux.Winlink) {
		now := all
		if m.To.ID == m.Pane.Window {
			now = r.holds(r.scene.pane(s, l, m.Pane))
		}
		more = more || !now.covers(r.holds(r.scene.pane(s, l, &there)))
	})
	return more && !teeth.Out(teeth.Gained)
}

// ways calls fn with every way to a window.
func (r *resolver) ways(w tmux.WindowID, fn func(*tmux.Session, *tmux.Winlink)) {
	for _, s := range r.scene.snap.SessionsOf(w) {
		for i := range s.Links {
			if s.Links[i].Window == w {
				fn(s, &s.Links[i])
			}
		}
	}
}

// duties are all that may come with a permission.
var duties = [...]access.Obligations{access.MustRecord, access.LogContent, access.Watched}

// holding is what somebody holds on an object: every verb, and behind that, for each of
// the duties, those verbs that come without it.
type holding [1 + len(duties)]access.VerbSet

// free is the holding of verbs that come without any duty.
func free(verbs access.VerbSet) (h holding) {
	for i := range h {
		h[i] = verbs
	}
	return h
}

func (h holding) and(other holding) holding {
	for i := range h {
		h[i] &= other[i]
	}
	return h
}

// covers reports whether other is no more than h.
func (h holding) covers(other holding) bool {
	for i := range h {
		if !h[i].Covers(other[i]) {
			return false
		}
	}
	return true
}

// holds gives what the person holds on an object now, by its place.
func (r *resolver) holds(o access.Object) holding {
	who, now := r.req.Identity, r.g.Time()
	h := free(r.g.given(who, o, now))
	server := access.Object{Kind: access.Server, Owner: o.Owner}
	if h[0] == 0 || r.g.Policy.Duties(who.Subject(), server, now) == 0 {
		return h
	}
	for _, v := range h[0].List() {
		d := r.g.Policy.Decide(access.Question{Who: who.Subject(), Verb: v, Object: o, At: now})
		for i, duty := range duties {
			if d.Obligations.Has(duty) && (duty != access.Watched || access.Acting.Has(v)) {
				h[i+1] &^= access.SetOf(v)
			}
		}
	}
	return h
}
