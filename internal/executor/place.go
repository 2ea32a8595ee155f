package executor

import (
	"errors"
	"slices"

	"github.com/muxward/muxward/internal/tmux"
)

// place is where one person is in a session by themselves: a window, and in each
// window a pane. It is a value; going elsewhere makes another.
type place struct {
	session tmux.SessionID
	window  tmux.WindowID
	pane    tmux.PaneID
	// lastWindow and lastPane are where they were before, if that is known.
	lastWindow tmux.WindowID
	lastPane   tmux.PaneID
	hasWindow  bool
	hasPane    bool
	// acts counts how often they have gone elsewhere by an act of their own.
	acts int
	// panes are where they were in other windows.
	panes []tmux.PaneID
}

// beginAt is a place that is what was found.
func beginAt(f tmux.Found) place {
	return place{session: f.Session.ID, window: f.Window.ID, pane: f.Pane.ID}
}

// to goes to a pane of a window.
func (p place) to(window tmux.WindowID, pane tmux.PaneID) place {
	if window == p.window && pane == p.pane {
		return p
	}
	next := p
	next.window, next.pane = window, pane
	if window == p.window {
		next.lastPane, next.hasPane = p.pane, true
		return next
	}
	next.lastWindow, next.hasWindow = p.window, true
	next.hasPane = false
	next.panes = append(slices.Clone(p.panes), p.pane)
	if n := len(next.panes); n > maxPlaces {
		next.panes = next.panes[n-maxPlaces:]
	}
	return next
}

// maxPlaces is in how many windows it is kept where somebody was.
const maxPlaces = 32

// paneOf is where the person is in a window: where they were last, else its
// active pane, else the first. The window must have a pane.
func (p place) paneOf(snap *tmux.Snapshot, w *tmux.Window) tmux.PaneID {
	if w.ID == p.window && slices.Contains(w.Panes, p.pane) {
		return p.pane
	}
	for _, id := range slices.Backward(p.panes) {
		if slices.Contains(w.Panes, id) {
			return id
		}
	}
	if a := snap.ActivePane(w); a != nil {
		return a.ID
	}
	return w.Panes[0]
}

var errNothingToSee = errors.New("there is nothing in this session any more that you may view")

// settle gives the place as it can be by what the person may view: if where they
// are is not of that any more, they are where they were before, or at the first
// there is.
func (p place) settle(view *tmux.Snapshot) (place, error) {
	s := view.Session(p.session)
	if s == nil {
		return p, errNothingToSee
	}
	window := p.window
	if s.LinkOf(window) == nil {
		window = s.Links[0].Window
		if p.hasWindow && s.LinkOf(p.lastWindow) != nil {
			window = p.lastWindow
		}
	}
	w := view.Window(window)
	if w == nil || len(w.Panes) == 0 {
		return p, errNothingToSee
	}
	next := p.to(window, p.paneOf(view, w))
	if w.Zoomed && w.HasActive { // nothing else is on the screen
		next = next.to(window, w.Active)
	}
	return next, nil
}

// seen gives a part of the server's state as the person sees it, who may view this of
// it: where they are in their session is what is current there, for them. In windows
// of it of which they may view nothing, no pane is.
func (p place) seen(view, of *tmux.Snapshot) *tmux.Snapshot {
	parts := *of
	parts.Sessions, parts.Windows = slices.Clone(of.Sessions), slices.Clone(of.Windows)
	at, seen := of.Session(p.session), view.Session(p.session)
	if at == nil {
		return of
	}
	for i := range parts.Sessions {
		s := &parts.Sessions[i]
		if s.ID != p.session {
			continue
		}
		s.Current, s.Last = -1, nil
		if l := s.LinkOf(p.window); l != nil && seen != nil && seen.LinkOf(p.window) != nil {
			s.Current = l.Index
		}
		if l := s.LinkOf(p.lastWindow); l != nil && p.hasWindow && seen != nil && seen.LinkOf(p.lastWindow) != nil {
			s.Last = []int{l.Index}
		}
	}
	for i := range parts.Windows {
		w := &parts.Windows[i]
		if at.LinkOf(w.ID) == nil {
			continue
		}
		w.HasActive, w.HasLast = false, false
		if v := view.Window(w.ID); v != nil && len(v.Panes) > 0 {
			w.Active = p.paneOf(view, v)
			w.HasActive = slices.Contains(w.Panes, w.Active)
		}
		if w.ID == p.window && p.hasPane && slices.Contains(w.Panes, p.lastPane) {
			w.Last, w.HasLast = p.lastPane, true
		}
	}
	return tmux.NewSnapshot(parts)
}
