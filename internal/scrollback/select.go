package scrollback

import "strings"

// direction is which way whole lines, or words, are selected.
type direction uint8

const (
	neither direction = iota
	forward
	backward
)

// unit is what selecting goes by.
type unit uint8

const (
	characters unit = iota
	words
	lines
)

// end is which end of a selection follows the cursor.
type end uint8

const (
	noEnd end = iota
	lastEnd
	firstEnd
)

// selection is what is selected. from is where it was begun, which may come
// after to.
type selection struct {
	on        bool
	rectangle bool
	from, to  place
	follows   end
	lines     direction
	by        unit
	// Where selecting by words or lines began, with the word or line that is
	// there.
	begun       place
	first, last place
}

// begin begins to select at the cursor.
func (v *View) begin() {
	v.sel.from, v.sel.to = v.here(), v.here()
	v.sel.follows, v.sel.on = lastEnd, true
	v.reselect(false)
}

// clear selects nothing.
func (v *View) clear() {
	v.sel = selection{rectangle: v.sel.rectangle}
	v.cx = min(v.cx, v.length(v.y()))
}

// reselect has the selection follow the cursor. keep is set while a selection
// by words or lines is begun.
func (v *View) reselect(keep bool) {
	if !v.sel.on || v.sel.follows == noEnd || v.sel.by == words && v.tired() {
		return
	}
	at, first := v.here(), v.sel.follows == firstEnd
	if !keep {
		switch v.sel.by {
		case words:
			at, first = v.wordsTo(at)
		case lines:
			at, first = v.linesTo(at)
		}
	}
	if first {
		v.sel.from = at
	} else {
		v.sel.to = at
	}
}

// wordsTo extends a selection by words to a place.
func (v *View) wordsTo(at place) (place, bool) {
	r := &reader{v.Content, at.x, at.y}
	if at.before(v.sel.begun) {
		r.previousWord(v.set.Separators, false, !v.set.Vi)
		v.sel.to = v.sel.last
		return place{r.x, r.y}, true
	}
	v.sel.from = v.sel.first
	if at.x >= v.length(at.y) || !v.in(at.x+1, at.y, blanks) {
		v.wordEnd(r, v.set.Separators)
	}
	return place{r.x, r.y}, false
}

func (v *View) linesTo(at place) (place, bool) {
	if at.y < v.sel.begun.y {
		v.sel.to = v.sel.last
		return place{0, at.y}, true
	}
	at.y = max(at.y, v.sel.last.y)
	v.sel.from = v.sel.first
	return place{v.length(at.y), at.y}, false
}

// otherEnd puts the cursor at the other end of what is selected.
func (v *View) otherEnd() {
	if !v.sel.on && v.sel.lines == neither {
		return
	}
	switch v.sel.lines {
	case forward:
		v.sel.lines = backward
	case backward:
		v.sel.lines = forward
	}
	at := v.sel.to
	if v.sel.follows == lastEnd {
		v.sel.follows = firstEnd
		at = v.sel.from
	} else {
		v.sel.follows = lastEnd
	}
	v.cx = at.x
	switch {
	case at.y < v.top():
		v.oy, v.cy = v.hsize()-at.y, 0
	case at.y > v.top()+v.height-1:
		v.oy, v.cy = v.hsize()-at.y+v.height-1, v.height-1
	default:
		v.cy = at.y - v.top()
	}
	v.reselect(true)
}

// selectLine selects the line of the cursor, and so many in all.
func (v *View) selectLine(count int) {
	v.sel = selection{lines: forward, by: lines, begun: v.here()}
	v.startOfLine()
	v.sel.first = v.here()
	v.sel.last = place{v.length(v.y()), v.y()}
	v.begin()
	v.endOfLine()
	v.sel.last = v.here()
	for range count - 1 {
		if v.down(false); v.tired() {
			return
		}
		v.endOfLine()
	}
}

// selectWord selects the word at the cursor.
func (v *View) selectWord() {
	v.sel = selection{lines: forward, by: words, begun: v.here()}
	r := v.reader()
	r.previousWord(v.set.Separators, false, !v.set.Vi)
	v.back(r)
	v.sel.first, v.sel.last = v.here(), v.here()
	v.sel.from, v.sel.to, v.sel.follows, v.sel.on = v.here(), v.here(), lastEnd, true
	next := place{v.cx + 1, v.y()}
	if v.wrapped(next.y) && next.x > v.width-1 {
		next = place{0, next.y + 1}
	}
	if v.cx >= v.length(v.y()) || !v.in(next.x, next.y, blanks) {
		r := v.reader()
		v.wordEnd(r, v.set.Separators)
		v.on(r, true)
	} else {
		v.reselect(true)
	}
	v.sel.last = v.here()
}

// setRectangle has a rectangle selected, or text.
func (v *View) setRectangle(on bool) {
	v.sel.lines, v.sel.rectangle = neither, on
	v.cx = min(v.cx, v.length(v.y()))
	v.reselect(false)
}

// span is from column to column of one row.
type span struct{ from, to int }

// selected gives the first and the last row that is selected, and what is of
// one of them.
func (v *View) selected() (first, last int, of func(y int) span) {
	from, to := v.sel.from, v.sel.to
	if to.before(from) {
		from, to = to, from
	}
	if v.sel.rectangle {
		side := v.sel.to.x
		if v.sel.follows == lastEnd {
			side = v.sel.from.x
		}
		box := span{v.cx, side + 1}
		if side < v.cx {
			box = span{side, v.cx}
			if v.set.Vi {
				box.to++
			}
		}
		return from.y, to.y, func(int) span { return box }
	}
	end := min(to.x, v.length(to.y))
	if v.set.Vi {
		end++
	}
	return from.y, to.y, func(y int) span {
		s := span{0, v.width}
		if y == from.y {
			s.from = from.x
		}
		if y == to.y {
			s.to = end
		}
		return s
	}
}

// Selected gives the text that is selected, or false if nothing is.
func (v *View) Selected() (string, bool) {
	if !v.sel.on && v.sel.lines == neither {
		return v.matched()
	}
	first, last, of := v.selected()
	var b strings.Builder
	for y := first; y <= last; y++ {
		v.write(&b, y, of(y))
	}
	text := b.String()
	if text == "" {
		return "", false
	}
	if end := of(last).to; !v.set.Vi || end <= v.length(last) {
		if !v.wrapped(last) || end != v.length(last) {
			text = strings.TrimSuffix(text, "\n")
		}
	}
	return text, text != ""
}

// write writes what is of one row, with the end of the line if it ends there.
func (v *View) write(b *strings.Builder, y int, s span) {
	if s.from > s.to {
		return
	}
	end := v.length(y)
	if v.wrapped(y) {
		end = v.width // a wide character that did not fit has left a space
	}
	s.to, s.from = min(s.to, end), min(s.from, end)
	for x := s.from; x < s.to; x++ {
		b.WriteString(v.at(x, y).text)
	}
	if !v.wrapped(y) || s.to != end {
		b.WriteByte('\n')
	}
}
