package picture

import "github.com/muxward/muxward/internal/scrollback"

// Pane is one pane of the window, by its place there.
type Pane struct {
	Left, Top, Width, Height int
	// Seen is set if the person may see what is in it, which is Rows.
	Seen bool
	Rows [][]scrollback.Cell
}

// Window is what there is to draw.
type Window struct {
	Width, Height int
	Panes         []Pane
	// Active is the pane of Panes that the person types into, -1 for none, and
	// CursorX and CursorY are where the cursor is there. It is drawn if Cursor
	// is set.
	Active           int
	CursorX, CursorY int
	Cursor           bool
	// Status is the line below.
	Status string
}

// Picture is what a terminal shows.
type Picture struct {
	// Cols and Rows are the terminal's size.
	Cols, Rows int
	cells      []scrollback.Cell // row by row
	// The cursor, and whether it is drawn.
	cursorX, cursorY int
	cursor           bool
	// X and Y are the window's column and row in the upper left corner.
	X, Y int
}

// StatusRows is how many rows of a terminal are muxward's own.
const StatusRows = 1

// Compose draws a window for a terminal of this size. Of a window that is larger
// the part with the cursor is seen, and nothing else is made: however large a window
// is, it takes no more than the terminal does.
func Compose(w Window, cols, rows int) *Picture {
	p := &Picture{Cols: cols, Rows: rows, cells: make([]scrollback.Cell, cols*rows)}
	inner := max(rows-StatusRows, 0)
	atX, atY := w.cursor()
	p.X, p.Y = offset(atX, w.Width, cols), offset(atY, w.Height, inner)
	outside := scrollback.Text("·", scrollback.Look{Faint: true})[0]
	for i := range p.cells {
		p.cells[i] = outside
	}
	p.draw(&w, inner)
	for row := range inner {
		whole(p.row(row))
	}
	if rows > inner {
		p.status(w.Status)
	}
	p.cursorX, p.cursorY = min(atX-p.X, cols-1), min(atY-p.Y, rows-1)
	p.cursor = w.Cursor && w.Active >= 0 && p.cursorY < inner
	return p
}

// cursor is where the cursor is in the window.
func (w *Window) cursor() (x, y int) {
	if w.Active < 0 || w.Active >= len(w.Panes) {
		return 0, 0
	}
	p := w.Panes[w.Active]
	x = p.Left + max(min(w.CursorX, p.Width-1), 0)
	y = p.Top + max(min(w.CursorY, p.Height-1), 0)
	return max(min(x, w.Width-1), 0), max(min(y, w.Height-1), 0)
}

// offset is where a part begins that shows at of so many columns or rows.
func offset(at, all, shown int) int {
	if all <= shown || shown <= 0 {
		return 0
	}
	return max(min(at-shown/2, all-shown), 0)
}

func (p *Picture) row(y int) []scrollback.Cell { return p.cells[y*p.Cols : (y+1)*p.Cols] }

// status draws the last row.
func (p *Picture) status(text string) {
	look := scrollback.Look{Reversed: true}
	row := p.row(p.Rows - 1)
	n := copy(row, scrollback.Text(text, look))
	blank := scrollback.Text(" ", look)[0]
	for ; n < len(row); n++ {
		row[n] = blank
	}
	whole(row)
}

// whole leaves no half of a wide character in a row.
func whole(row []scrollback.Cell) {
	for x := range row {
		switch {
		case row[x].Second() && (x == 0 || row[x-1].Second() || row[x-1].Plain()):
			row[x] = row[x].Space()
		case x == len(row)-1 && !row[x].Second() && row[x].Wide():
			row[x] = row[x].Space()
		}
	}
	for x := 0; x+1 < len(row); x++ {
		if row[x].Wide() && !row[x+1].Second() {
			row[x] = row[x].Space()
		}
	}
}

// What stands for what is not to be seen, or for nothing.
const hatch = "░"

// part is what is seen of a window: from a column and row on, so many of them. What is
// beside it counts for how lines go on.
type part struct {
	left, top, width, height int
	taken                    []bool // a pane is there, or the window ends; by one more on each side
}

// in gives what of a range lies in another.
func in(from, size, begin, shown int) (first, last int) {
	return max(from, begin), min(from+size, begin+shown)
}

// at is whether a column and row are taken.
func (t *part) at(x, y int) *bool { return &t.taken[(y-t.top+1)*(t.width+2)+x-t.left+1] }

// draw draws what is seen of the window in the upper rows.
func (p *Picture) draw(w *Window, rows int) {
	t := part{left: p.X, top: p.Y, width: max(min(p.Cols, w.Width-p.X), 0), height: max(min(rows, w.Height-p.Y), 0)}
	t.taken = make([]bool, (t.width+2)*(t.height+2))
	for y := t.top - 1; y <= t.top+t.height; y++ {
		for x := t.left - 1; x <= t.left+t.width; x++ {
			*t.at(x, y) = x < 0 || y < 0 || x >= w.Width || y >= w.Height
		}
	}
	hatched := scrollback.Text(hatch, scrollback.Look{Faint: true})[0]
	blank := scrollback.Text(" ", scrollback.Look{})[0]
	for i := range w.Panes {
		pane := &w.Panes[i]
		left, right := in(pane.Left, pane.Width, t.left-1, t.width+2)
		top, bottom := in(pane.Top, pane.Height, t.top-1, t.height+2)
		for y := top; y < bottom; y++ {
			for x := left; x < right; x++ {
				*t.at(x, y) = true
			}
		}
		left, right = in(pane.Left, pane.Width, t.left, t.width)
		top, bottom = in(pane.Top, pane.Height, t.top, t.height)
		for y := top; y < bottom && left < right; y++ {
			row := p.row(y - t.top)[left-t.left : right-t.left]
			for x := range row {
				row[x] = pane.cell(left+x-pane.Left, y-pane.Top, hatched, blank)
			}
			whole(row)
		}
	}
	p.borders(&t)
}

// cell is what is drawn in a column and row of a pane.
func (p *Pane) cell(x, y int, hatched, blank scrollback.Cell) scrollback.Cell {
	switch {
	case !p.Seen:
		return hatched
	case y < len(p.Rows) && x < len(p.Rows[y]):
		return p.Rows[y][x]
	}
	return blank
}

// borders draws lines where no pane is.
func (p *Picture) borders(t *part) {
	// By which neighbours go on: up, down, left, right.
	const lines = "─│││─┘┐┤─└┌├─┴┬┼"
	pieces := []rune(lines)
	look := scrollback.Look{Faint: true}
	cells := make([]scrollback.Cell, len(pieces))
	for i, r := range pieces {
		cells[i] = scrollback.Text(string(r), look)[0]
	}
	for y := t.top; y < t.top+t.height; y++ {
		for x := t.left; x < t.left+t.width; x++ {
			if *t.at(x, y) {
				continue
			}
			n := 0
			for bit, taken := range []*bool{t.at(x, y-1), t.at(x, y+1), t.at(x-1, y), t.at(x+1, y)} {
				if !*taken {
					n |= 1 << bit
				}
			}
			p.row(y - t.top)[x-t.left] = cells[n]
		}
	}
}
