package scrollback

import "strings"

// reader is a place in the content that moves by what is written there, over the
// whole of it.
type reader struct {
	*Content
	x, y int
}

// blanks are what lies between words whatever the separators are.
const blanks = "\t "

// in reports whether the character here is one of set.
func (r *reader) in(set string) bool { return r.Content.in(r.x, r.y, set) }

func (c *Content) in(x, y int, set string) bool {
	at := c.at(x, y)
	return !at.padding() && strings.Contains(set, at.text)
}

func (r *reader) len() int { return r.length(r.y) }

// whole moves to the first column of the character here.
func (r *reader) whole() {
	for r.x > 0 && r.at(r.x, r.y).padding() {
		r.x--
	}
}

func (r *reader) up() {
	if r.y > 0 {
		r.y--
		r.whole()
	}
}

func (r *reader) down() {
	if r.y < r.bottom() {
		r.y++
		r.whole()
	}
}

// left goes one character back, over the begin of a row if it goes on from the
// one before, or in any case if wrap is set.
func (r *reader) left(wrap bool) {
	r.whole()
	switch {
	case r.x > 0:
		r.x--
	case r.y > 0 && (wrap || r.wrapped(r.y-1)):
		r.up()
		r.endOfLine(false, false)
	}
}

// right goes one character on, in a row as it is written or, with all, as wide
// as the pane.
func (r *reader) right(wrap, all bool) {
	end := r.len()
	if all {
		end = r.width
	}
	switch {
	case wrap && r.x >= end && r.y < r.bottom():
		r.startOfLine(false)
		r.down()
	case r.x < end:
		for r.x++; r.x < end && r.at(r.x, r.y).padding(); r.x++ {
		}
	}
}

func (r *reader) startOfLine(wrap bool) {
	for wrap && r.y > 0 && r.wrapped(r.y-1) {
		r.y--
	}
	r.x = 0
}

func (r *reader) endOfLine(wrap, all bool) {
	for wrap && r.y < r.bottom() && r.wrapped(r.y) {
		r.y++
	}
	r.x = r.len()
	if all {
		r.x = r.width
	}
}

// indentation goes to the first character of the line that is none of blanks.
func (r *reader) indentation() {
	old := *r
	r.startOfLine(true)
	for y := r.y; y <= r.bottom(); y++ {
		for x := range r.length(y) {
			if c := r.at(x, y); !c.blank() && !c.padding() {
				r.x, r.y = x, y
				return
			}
		}
		if !r.wrapped(y) {
			break
		}
	}
	*r = old
}

// walk is a way on through words that wrapped rows do not break.
type walk struct {
	*reader
	end int // of the row
}

func (r *reader) walk() *walk {
	w := &walk{reader: r}
	w.limit()
	return w
}

func (w *walk) limit() {
	w.end = w.len()
	if w.wrapped(w.y) {
		w.end = w.width - 1
	}
}

// more goes into the next row where this one is over; there may be none.
func (w *walk) more() bool {
	if w.tired() {
		w.x = min(w.x, w.end)
		return false
	}
	for w.x > w.end {
		if w.y == w.bottom() {
			return false
		}
		w.startOfLine(false)
		w.down()
		w.limit()
	}
	return true
}

// skip passes what is one of set, or is not.
func (w *walk) skip(is func() bool) {
	for w.x++; w.more() && is(); w.x++ {
	}
}

func (r *reader) blank() bool { return r.in(blanks) }

// nextWord goes to the begin of the next word.
func (r *reader) nextWord(separators string) {
	w := r.walk()
	if !w.more() {
		return
	}
	switch {
	case r.blank():
	case r.in(separators):
		w.skip(func() bool { return r.in(separators) && !r.blank() })
	default:
		w.skip(func() bool { return !r.in(separators) && !r.blank() })
	}
	for w.more() && r.blank() {
		w.x++
	}
}

// nextWordEnd goes behind the end of this word, or of the next.
func (r *reader) nextWordEnd(separators string) {
	w := r.walk()
	for w.more() {
		switch {
		case r.blank():
			w.x++
		case r.in(separators):
			w.skip(func() bool { return r.in(separators) && !r.blank() })
			return
		default:
			w.skip(func() bool { return !r.in(separators) && !r.blank() })
			return
		}
	}
}

// previousWord goes to the begin of this word or, with already or between words,
// of the one before. With stop, a row that ends in blanks is a stop, too.
func (r *reader) previousWord(separators string, already, stop bool) {
	letters := !r.in(separators)
	if already || r.blank() {
		var ok bool
		if letters, ok = r.wordBefore(separators, stop); !ok {
			return
		}
	}
	for !r.tired() {
		old := *r
		if r.x == 0 {
			if r.y == 0 || !r.wrapped(r.y-1) {
				return
			}
			r.up()
			r.endOfLine(false, true)
		}
		if r.x > 0 {
			r.x--
		}
		if r.blank() || letters == r.in(separators) {
			*r = old
			return
		}
	}
}

// wordBefore goes back to what is no blank, and says whether that is of a word.
func (r *reader) wordBefore(separators string, stop bool) (letters, ok bool) {
	for !r.tired() {
		if r.x > 0 {
			r.x--
			if !r.blank() {
				return !r.in(separators), true
			}
			continue
		}
		if r.y == 0 {
			return false, false
		}
		r.up()
		r.endOfLine(false, false)
		if stop && r.x > 0 && r.Content.in(r.x-1, r.y, blanks) {
			return false, true
		}
	}
	return false, false
}

// jump goes on to a character in the line that the row is part of.
func (r *reader) jump(to string) bool {
	x := r.x
	for y := r.y; y <= r.bottom() && !r.tired(); y++ {
		for ; x < r.length(y); x++ {
			if r.at(x, y).text == to {
				r.x, r.y = x, y
				return true
			}
		}
		if !r.wrapped(y) {
			return false
		}
		x = 0
	}
	return false
}

// jumpBack is jump in the other direction.
func (r *reader) jumpBack(to string) bool {
	x := r.x + 1
	for y := r.y; y >= 0 && !r.tired(); y-- {
		for x--; x >= 0; x-- {
			if r.at(x, y).text == to {
				r.x, r.y = x, y
				return true
			}
		}
		if y == 0 || !r.wrapped(y-1) {
			return false
		}
		x = r.length(y - 1)
	}
	return false
}
