package scrollback

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Frame is where a view is drawn on a terminal.
type Frame struct {
	// Left and Top are where the pane begins, in columns and rows from the upper
	// left corner; they are negative if that is outside of the terminal.
	Left, Top int
	// Cols and Rows are the terminal's size, Colours how many it has.
	Cols, Rows, Colours int
	// Above and Below are how many rows at its edges show no pane.
	Above, Below int
}

// window is the part of the terminal on which a part of the pane is seen, and
// which: as much as there is room for, with the cursor.
type window struct {
	left, top, right, bottom int
	x, y                     int // the pane's column and row in the upper left corner
}

func (v *View) window(f Frame) window {
	w := window{
		left: max(0, f.Left), right: min(f.Cols, f.Left+v.width),
		top: max(f.Above, f.Top), bottom: min(f.Rows-f.Below, f.Top+v.height),
	}
	w.x, w.y = w.left-f.Left, w.top-f.Top
	cx := min(v.cx, v.width-1)
	w.x = max(min(w.x, cx), cx-(w.right-w.left)+1)
	w.y = max(min(w.y, v.cy), v.cy-(w.bottom-w.top)+1)
	return w
}

// Place gives the place in the pane that is drawn at a place of the terminal,
// which may lie beyond the pane.
func (v *View) Place(f Frame, col, row int) (x, y int) {
	w := v.window(f)
	return col - w.left + w.x, row - w.top + w.y
}

// What is selected, found or told of the position looks as it does in tmux that
// nobody has configured.
var (
	selectedStyle = style{fg: indexed, bg: indexed | 3}
	foundStyle    = style{fg: indexed, bg: indexed | 6}
	currentStyle  = style{fg: indexed, bg: indexed | 5}
)

// Draw draws all of the view over what a terminal shows in the pane's place, and
// puts the cursor there. It leaves no colours or attributes in force.
func (v *View) Draw(f Frame) []byte {
	// Of some characters terminals do not agree how wide they are: nothing wraps.
	b := []byte("\x1b[?25l\x1b[?7l\x0f\x1b(B\x1b[0m")
	w := v.window(f)
	if w.left >= w.right || w.top >= w.bottom {
		return append(b, "\x1b[?7h\x1b[?25h"...) // the pane is not on the terminal
	}
	for row := w.top; row < w.bottom; row++ {
		b = v.drawRow(b, f, w, row)
	}
	b = v.drawPosition(b, f, w)
	b = append(b, "\x1b[0m"...)
	b = moveTo(b, w.left+min(v.cx, v.width-1)-w.x, w.top+v.cy-w.y)
	return append(b, "\x1b[?7h\x1b[?25h"...)
}

func moveTo(b []byte, x, y int) []byte { return fmt.Appendf(b, "\x1b[%d;%dH", y+1, x+1) }

// drawRow draws the part of one row that is on the terminal.
func (v *View) drawRow(b []byte, f Frame, w window, row int) []byte {
	from, to := w.x, w.x+w.right-w.left
	y := v.top() + w.y + row - w.top
	b = moveTo(b, w.left, row)
	looks := v.looks(y)
	now, begun, astray := style{}, false, false
	for x := from; x < to; x++ {
		c := v.at(x, y)
		if c.padding() && x > from {
			continue // its character has been drawn in both columns, or is a tab
		}
		if astray { // what follows is where it is, whatever the terminal makes of this one
			b = fmt.Appendf(b, "\x1b[%dG", w.left+x-from+1)
		}
		s := looks(x, c.style)
		if s != now || !begun {
			b = s.on(b, f.Colours)
			now, begun = s, true
		}
		columns := 1
		for x+columns < to && v.at(x+columns, y).padding() {
			columns++
		}
		text := v.shown(c, x, y, columns)
		astray = strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
		b = append(b, text...)
	}
	return b
}

// shown is what is drawn for a character in so many columns: spaces for half of
// a wide one, or a tab.
func (v *View) shown(c cell, x, y, columns int) string {
	wide := v.at(x+1, y).padding()
	if c.padding() || c.text == "\t" || wide && columns < 2 {
		return strings.Repeat(" ", columns)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, c.text)
}

// looks says how cells of a row look with what is selected and found.
func (v *View) looks(y int) func(x int, s style) style {
	first, last, of := 0, -1, func(int) span { return span{} }
	if v.sel.on {
		first, last, of = v.selected()
	}
	here := v.here()
	var found []match
	if v.find.shown {
		for _, m := range v.find.matches {
			if m.from.y <= y && m.to.y >= y {
				found = append(found, m)
			}
		}
	}
	return func(x int, s style) style {
		if y >= first && y <= last {
			if is := of(y); x >= is.from && x < is.to {
				return selectedStyle
			}
		}
		for _, m := range found {
			switch {
			case !m.has(place{x, y}):
			case m.has(here):
				return currentStyle
			default:
				return foundStyle
			}
		}
		return s
	}
}

// drawPosition writes how far it is scrolled back, and of how much, into the
// upper right corner.
func (v *View) drawPosition(b []byte, f Frame, w window) []byte {
	if v.HidePosition {
		return b
	}
	text := "[" + strconv.Itoa(v.oy) + "/" + strconv.Itoa(v.hsize())
	if v.older > 0 {
		text += " of " + strconv.Itoa(v.hsize()+v.older)
	}
	text += "]"
	if n := len(v.find.matches); v.find.shown {
		text = fmt.Sprintf("(%d results) %s", n, text)
	}
	if at := w.right - len(text); at >= w.left {
		b = moveTo(b, at, w.top)
		b = selectedStyle.on(b, f.Colours)
		b = append(b, text...)
	}
	return b
}

// CursorWord is the word at the cursor, CursorLine the text of its row: what the
// formats copy_cursor_word and copy_cursor_line stand for.
func (v *View) CursorWord() string {
	r := v.reader()
	if r.blank() || r.in(v.set.Separators) {
		return ""
	}
	for r.x > 0 && !v.in(r.x-1, r.y, blanks+v.set.Separators) {
		r.x--
	}
	var b strings.Builder
	for ; r.x < r.len() && !r.blank() && !r.in(v.set.Separators); r.x++ {
		b.WriteString(r.at(r.x, r.y).text)
	}
	return b.String()
}

// CursorLine is the text of the cursor's row.
func (v *View) CursorLine() string {
	return strings.TrimRight(v.rows[v.y()].plain, " ")
}
