package scrollback

import "strings"

const (
	opening = "{[("
	closing = "}])"
)

// paragraph goes to the next row without text behind some that have it, or to
// the one before.
func (v *View) paragraph(step int) {
	y, last := v.y(), v.bottom()
	if step < 0 {
		last = 0
	}
	for y != last && v.length(y) == 0 {
		y += step
	}
	for y != last && v.length(y) > 0 {
		y += step
	}
	x := 0
	if step > 0 {
		x = v.length(y)
	}
	v.to(place{x, y})
}

// bracket gives the index of a bracket that is one of set, or -1.
func (c *Content) bracket(x, y int, set string) int {
	if text := c.at(x, y).text; len(text) == 1 {
		return strings.Index(set, text)
	}
	return -1
}

// nextBracket goes from an opening bracket to the one that closes it. If there
// is none here, vi looks for one in the rest of the line, emacs goes on a word. It
// reports whether to go on like that: not from a closing bracket, from which vi
// goes back.
func (v *View) nextBracket() bool {
	x, y := v.cx, v.y()
	if v.length(y) == 0 {
		return false
	}
	for tried := false; !v.tired(); {
		if v.set.Vi && v.bracket(x, y, closing) >= 0 {
			v.closingBracket(place{x, y})
			return false
		}
		if kind := v.bracket(x, y, opening); kind >= 0 {
			v.walkOn(place{x, y}, kind)
			return true
		}
		switch {
		case !v.set.Vi && !tried && x <= v.length(y):
			x, tried = x+1, true
		case !v.set.Vi:
			r := v.reader()
			r.nextWordEnd(opening)
			v.on(r, false)
			return true
		case x <= v.length(y):
			x++
		case y < v.bottom() && v.wrapped(y):
			x, y = 0, y+1
		default:
			return true
		}
	}
	return false
}

// closingBracket goes from a closing bracket to the one that opens, or nowhere.
func (v *View) closingBracket(at place) {
	old := v.here()
	v.to(at)
	v.previousBracket()
	if v.bracket(v.cx, v.y(), closing) >= 0 {
		v.to(old)
	}
}

func (v *View) walkOn(p place, kind int) {
	for depth := 1; depth > 0; {
		switch {
		case v.tired():
			return
		case p.x <= v.length(p.y):
			p.x++
		case p.y == v.bottom():
			return
		default:
			p = place{0, p.y + 1}
		}
		switch {
		case v.bracket(p.x, p.y, opening) == kind:
			depth++
		case v.bracket(p.x, p.y, closing) == kind:
			depth--
		}
	}
	v.to(p)
}

// previousBracket goes from a closing bracket, here or just before, to the one
// that opens. If there is none, emacs goes back a word.
func (v *View) previousBracket() {
	p := v.here()
	if v.length(p.y) == 0 {
		return
	}
	kind := v.bracket(p.x, p.y, closing)
	if kind < 0 && !v.set.Vi {
		if p.x > 0 {
			p.x--
			kind = v.bracket(p.x, p.y, closing)
		}
		if kind < 0 {
			r := v.reader()
			r.previousWord(closing, true, true)
			v.back(r)
		}
	}
	if kind < 0 {
		return
	}
	for depth := 1; depth > 0; {
		if p.x > 0 {
			p.x--
		} else {
			for p.y--; p.y >= 0 && v.length(p.y) == 0; p.y-- {
			}
			if p.y < 0 {
				return
			}
			p.x = v.length(p.y) - 1
		}
		switch {
		case v.tired():
			return
		case v.bracket(p.x, p.y, closing) == kind:
			depth++
		case v.bracket(p.x, p.y, opening) == kind:
			depth--
		}
	}
	v.to(p)
}
