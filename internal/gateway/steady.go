package gateway

import (
	"fmt"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// steady keeps people from gaining rights by changing the indexes of panes,
// which policy may go by: a new pane moves those after it on, one that closes
// lets them move up. Who would hold a verb more on one of them may not. (Names
// of sessions and indexes of windows are changed by nobody who does not hold
// every verb anyway: see [tmux.Flag].)
func (r *resolver) steady() error {
	f := r.plan.Found
	if f.Window == nil || f.Pane == nil {
		return nil
	}
	w := r.scene.snap.Window(f.Window.ID)
	if w == nil {
		return nil // it has gone meanwhile: tmux will say so
	}
	first, by := moved(r.plan.Invocation, w, f.Pane)
	if by == 0 {
		return nil
	}
	for i := first; i < len(w.Panes); i++ {
		if p := r.scene.snap.Pane(w.Panes[i]); p != nil && r.gains(w, p, p.Index+by) {
			return fmt.Errorf("%s: pane %d would become pane %d, on which you hold other rights",
				r.plan.Invocation.Row.Name, p.Index, p.Index+by)
		}
	}
	return nil
}

// moved gives from which place in the window on a command moves panes, and by
// how much.
func moved(inv *tmux.Invocation, w *tmux.Window, target *tmux.Pane) (first, by int) {
	at := 0
	for at < len(w.Panes) && w.Panes[at] != target.ID {
		at++
	}
	switch inv.Row.Name {
	case "kill-pane":
		return at + 1, -1
	case "split-window":
		before, whole := inv.Has('b'), inv.Has('f')
		switch {
		case before && whole:
			return 0, 1
		case before:
			return at, 1
		case whole:
			return len(w.Panes), 1
		}
		return at + 1, 1
	}
	return 0, 0
}

// gains reports whether the person would hold more on a pane at another index,
// by any way to it.
func (r *resolver) gains(w *tmux.Window, p *tmux.Pane, index int) bool {
	there := *p
	there.Index = index
	holds := func(o access.Object) access.VerbSet { return r.g.Holds(r.req.Identity, o) }
	for _, s := range r.scene.snap.SessionsOf(w.ID) {
		for i := range s.Links {
			if l := &s.Links[i]; l.Window == w.ID &&
				!holds(r.scene.pane(s, l, p)).Covers(holds(r.scene.pane(s, l, &there))) {
				return true
			}
		}
	}
	return false
}
