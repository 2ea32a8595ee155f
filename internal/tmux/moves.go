package tmux

import "slices"

// Move is a pane that gets another place: in its own window, or in another.
type Move struct {
	Pane  *Pane
	To    *Window
	Index int
}

// Moves returns the panes to which the invocation gives another place, as far
// as they are in this state. What moves whole windows is not looked at: their
// panes keep their indexes.
func (inv *Invocation) Moves(snap *Snapshot, r Resolved) []Move {
	f := r.Target
	if f.Window == nil {
		return nil
	}
	w := snap.Window(f.Window.ID)
	if w == nil {
		return nil
	}
	m := moves{inv: inv, snap: snap, window: w}
	if inv.Row.Name == "rotate-window" {
		m.rotate() // also if the active pane is hidden from who asks
		return m.all
	}
	if f.Pane == nil {
		return nil
	}
	if m.at = slices.Index(w.Panes, f.Pane.ID); m.at < 0 {
		return nil
	}
	switch inv.Row.Name {
	case "kill-pane":
		m.shift(w, m.at+1, -1)
	case "split-window", "new-pane":
		m.shift(w, m.beside(), 1)
	case "swap-pane":
		m.swap(r.Source)
	case "join-pane", "move-pane":
		m.join(r.Source)
	}
	return m.all
}

// moves collects what an invocation moves. Its target is the pane at a place of
// a window.
type moves struct {
	inv    *Invocation
	snap   *Snapshot
	window *Window
	at     int
	all    []Move
}

// place says that a pane comes to a place of a window.
func (m *moves) place(id PaneID, w *Window, at int) {
	if p := m.snap.Pane(id); p != nil {
		m.all = append(m.all, Move{p, w, w.PaneBase + at})
	}
}

// shift moves the panes of a window from a place on.
func (m *moves) shift(w *Window, first, by int) {
	for i := first; i < len(w.Panes); i++ {
		m.place(w.Panes[i], w, i+by)
	}
}

// beside is the place that a pane gets that comes into the window.
func (m *moves) beside() int {
	before, whole := m.inv.Has('b'), m.inv.Has('f')
	switch {
	case before && whole:
		return 0
	case before:
		return m.at
	case whole:
		return len(m.window.Panes)
	}
	return m.at + 1
}

func (m *moves) rotate() {
	panes := m.window.Panes
	by := len(panes) - 1
	if m.inv.Has('D') {
		by = 1
	}
	for i, id := range panes {
		m.place(id, m.window, (i+by)%len(panes))
	}
}

// swap exchanges the target with the source, or with its neighbour.
func (m *moves) swap(source *Found) {
	w, n := m.window, len(m.window.Panes)
	from, other := w, 0
	switch {
	case m.inv.Has('D'):
		other = (m.at + 1) % n
	case m.inv.Has('U'):
		other = (m.at + n - 1) % n
	default:
		if from, other = m.taken(source); from == nil {
			return
		}
	}
	m.place(w.Panes[m.at], from, other)
	m.place(from.Panes[other], w, m.at)
}

// join takes the source out of its window and puts it beside the target.
func (m *moves) join(source *Found) {
	w := m.window
	from, other := m.taken(source)
	if from == nil {
		return
	}
	to := m.at + 1 // also for -f
	if m.inv.Has('b') && !m.behind() {
		to = m.at
	}
	if from.ID != w.ID {
		m.shift(from, other+1, -1)
		m.shift(w, to, 1)
		m.place(from.Panes[other], w, to)
		return
	}
	order := slices.Insert(slices.Clone(w.Panes), to, w.Panes[other])
	if other >= to {
		other++
	}
	for i, id := range slices.Delete(order, other, other+1) {
		m.place(id, w, i)
	}
}

// behind reports whether this server counts a joined pane behind its target even
// with -b: 3.7 draws it before, but keeps no flag for its number (tried on 3.7c;
// gone again in the branch that becomes 3.8).
func (m *moves) behind() bool {
	v := m.snap.Version
	return v.AtLeast(v37) && !v.AtLeast(v38)
}

// taken is the source's window and the place of its pane there.
func (m *moves) taken(source *Found) (*Window, int) {
	if source == nil || source.Pane == nil {
		return nil, 0
	}
	w := m.snap.Window(source.Pane.Window)
	if w == nil {
		return nil, 0
	}
	at := slices.Index(w.Panes, source.Pane.ID)
	if at < 0 {
		return nil, 0
	}
	return w, at
}

// WindowMove is a window that gets another index in a session.
type WindowMove struct {
	Session *Session
	Link    *Winlink // where it is now
	Index   int
}

// WindowMoves returns the windows that get another index because what the
// invocation closes leaves one free, where the option renumber-windows is on.
func (inv *Invocation) WindowMoves(snap *Snapshot, r Resolved) []WindowMove {
	closed := map[WindowID]bool{}
	for _, w := range inv.Closing(snap, r).Windows {
		closed[w.ID] = true
	}
	var all []WindowMove
	for i := range snap.Sessions {
		s := &snap.Sessions[i]
		if !s.Renumber || !slices.ContainsFunc(s.Links, func(l Winlink) bool { return closed[l.Window] }) {
			continue
		}
		next := s.BaseIndex
		for j := range s.Links {
			l := &s.Links[j]
			if closed[l.Window] {
				continue
			}
			if l.Index != next {
				all = append(all, WindowMove{s, l, next})
			}
			next++
		}
	}
	return all
}
