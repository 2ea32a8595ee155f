package picture

import (
	"fmt"

	"github.com/muxward/muxward/internal/scrollback"
)

// Since gives what a terminal is sent that shows old, so that it shows the
// picture: nothing if they are the same. With a nil old, all of it is drawn,
// whatever the terminal shows. With ascii, nothing else is drawn.
func (p *Picture) Since(old *Picture, colours int, ascii bool) []byte {
	pen := &scrollback.Pen{Colours: colours, ASCII: ascii}
	if old != nil && (old.Cols != p.Cols || old.Rows != p.Rows) {
		old = nil
	}
	if old == nil {
		pen.WriteString("\x0f\x1b(B\x1b[0m\x1b[r")
	}
	for y := range p.Rows {
		p.drawRow(pen, old, y)
	}
	pen.Lift()
	moved := old == nil || pen.Len() > 0 || old.cursorX != p.cursorX || old.cursorY != p.cursorY || old.cursor != p.cursor
	if !moved {
		return nil
	}
	// Of some characters terminals do not agree how wide they are: nothing wraps.
	body := pen.Bytes()
	b := make([]byte, 0, len(body)+40)
	b = append(b, "\x1b[?25l\x1b[?7l"...)
	b = append(b, body...)
	b = fmt.Appendf(b, "\x1b[?7h\x1b[%d;%dH", p.cursorY+1, p.cursorX+1)
	if p.cursor {
		b = append(b, "\x1b[?25h"...)
	}
	return b
}

// drawRow draws what has changed of a row: the columns that have, or all of one in
// which a terminal may have put something elsewhere.
func (p *Picture) drawRow(pen *scrollback.Pen, old *Picture, y int) {
	row := p.row(y)
	from, to := 0, len(row)
	certain := plain(row)
	if old != nil {
		was := old.row(y)
		for from < to && row[from] == was[from] {
			from++
		}
		if from == to {
			return
		}
		if certain = certain && plain(was); certain {
			for to > from && row[to-1] == was[to-1] {
				to--
			}
		} else {
			from = 0
		}
	}
	end := to
	for end > from && row[end-1].Empty() { // it was drawn over, or is to be erased
		end--
	}
	fmt.Fprintf(pen, "\x1b[%d;%dH", y+1, from+1)
	if !certain {
		pen.Lift()
		pen.WriteString("\x1b[K")
	}
	erases := to == len(row) && end < to
	if !erases {
		end = to
	}
	astray := false
	for x := from; x < end; x++ {
		if row[x].Second() {
			continue
		}
		if astray { // whatever the terminal made of the one before
			fmt.Fprintf(pen, "\x1b[%dG", x+1)
		}
		pen.Draw(row[x])
		astray = !row[x].Plain()
	}
	if erases {
		pen.Lift()
		fmt.Fprintf(pen, "\x1b[%d;%dH\x1b[K", y+1, end+1)
	}
}

func plain(row []scrollback.Cell) bool {
	for _, c := range row {
		if !c.Plain() {
			return false
		}
	}
	return true
}
