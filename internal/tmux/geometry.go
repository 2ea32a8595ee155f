package tmux

import "strings"

type side uint8

const (
	above side = iota
	below
	leftOf
	rightOf
)

func sideOf(s string) (side, bool) {
	switch s {
	case "{up-of}":
		return above, true
	case "{down-of}":
		return below, true
	case "{left-of}":
		return leftOf, true
	case "{right-of}":
		return rightOf, true
	}
	return 0, false
}

// span is where a pane lies along one axis.
type span struct{ start, size int }

// beside returns the pane that touches p on one side, around the window's edge
// if need be; of several, the one active last.
func (f *finder) beside(p *Pane, where side) *Pane {
	if p == nil {
		return nil
	}
	w := f.snap.Window(p.Window)
	if w == nil {
		return nil
	}
	var best *Pane
	for _, id := range w.Panes {
		next := f.snap.Pane(id)
		if next == nil || next == p || !touches(w, p, next, where) {
			continue
		}
		if best == nil || recency(w, next) > recency(w, best) {
			best = next
		}
	}
	return best
}

// recency orders panes by when they were active, as far as that is known.
func recency(w *Window, p *Pane) int {
	switch {
	case w.HasActive && w.Active == p.ID:
		return 2
	case w.HasLast && w.Last == p.ID:
		return 1
	}
	return 0
}

func touches(w *Window, p, next *Pane, where side) bool {
	switch where {
	case above, below:
		if !overlap(span{p.Left, p.Width}, span{next.Left, next.Width}) {
			return false
		}
	default:
		if !overlap(span{p.Top, p.Height}, span{next.Top, next.Height}) {
			return false
		}
	}
	edge := farEdge(w, p, where)
	switch where {
	case above:
		return next.Top+next.Height+1 == edge
	case below:
		return next.Top == edge
	case leftOf:
		return next.Left+next.Width+1 == edge
	default:
		return next.Left == edge
	}
}

// farEdge is the line at which a neighbour must begin or end, wrapped around
// at the window's own edge. Lines that show pane titles count as borders.
func farEdge(w *Window, p *Pane, where side) int {
	titlesTop, titlesBottom := w.BorderStatus == "top", w.BorderStatus == "bottom"
	switch where {
	case above:
		switch edge := p.Top; {
		case titlesTop && edge == 1, !titlesTop && !titlesBottom && edge == 0:
			return w.Height + 1
		case titlesBottom && edge == 0:
			return w.Height
		default:
			return edge
		}
	case below:
		switch edge := p.Top + p.Height + 1; {
		case titlesTop && edge >= w.Height:
			return 1
		case titlesBottom && edge >= w.Height-1, !titlesTop && !titlesBottom && edge >= w.Height:
			return 0
		default:
			return edge
		}
	case leftOf:
		if p.Left == 0 {
			return w.Width + 1
		}
		return p.Left
	default:
		if edge := p.Left + p.Width + 1; edge < w.Width {
			return edge
		}
		return 0
	}
}

// overlap reports whether the neighbour, seen along the shared border, lies
// beside p; the border after p counts as p's.
func overlap(p, next span) bool {
	low, high := p.start, p.start+p.size
	end := next.start + next.size - 1
	return next.start < low && end > high ||
		next.start >= low && next.start <= high ||
		end >= low && end <= high
}

// paneByCorner finds the pane at an edge or corner of the window.
func (f *finder) paneByCorner(w *Window, s string) *Pane {
	x, y := w.Width/2, w.Height/2
	top, bottom := 0, w.Height-1
	switch w.BorderStatus {
	case "top":
		top++
	case "bottom":
		bottom--
	}
	switch strings.ToLower(s) {
	case "top":
		y = top
	case "bottom":
		y = bottom
	case "left":
		x = 0
	case "right":
		x = w.Width - 1
	case "top-left":
		x, y = 0, top
	case "top-right":
		x, y = w.Width-1, top
	case "bottom-left":
		x, y = 0, bottom
	case "bottom-right":
		x, y = w.Width-1, bottom
	default:
		return nil
	}
	for _, id := range w.Panes {
		p := f.snap.Pane(id)
		if p == nil || w.Zoomed && !(w.HasActive && w.Active == id) {
			continue
		}
		if x >= p.Left && x <= p.Left+p.Width && y >= p.Top && y <= p.Top+p.Height {
			return p
		}
	}
	return nil
}
