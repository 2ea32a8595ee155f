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
// the part with the cursor is seen.
func Compose(w Window, cols, rows int) *Picture {
	p := &Picture{Cols: cols, Rows: rows, cells: make([]scrollback.Cell, cols*rows)}
	grid := w.draw()
	inner := max(rows-StatusRows, 0)
	atX, atY := w.cursor()
	p.X, p.Y = offset(atX, w.Width, cols), offset(atY, w.Height, inner)
	outside := scrollback.Text("·", scrollback.Look{Faint: true})[0]
	for row := range inner {
		for col := range cols {
			c := outside
			if x, y := col+p.X, row+p.Y; x < w.Width && y < w.Height {
				c = grid[y*w.Width+x]
			}
			p.cells[row*cols+col] = c
		}
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

// draw draws the whole window, row by row.
func (w *Window) draw() []scrollback.Cell {
	grid := make([]scrollback.Cell, w.Width*w.Height)
	taken := make([]bool, len(grid))
	hatched := scrollback.Text(hatch, scrollback.Look{Faint: true})[0]
	blank := scrollback.Text(" ", scrollback.Look{})[0]
	for i := range w.Panes {
		p := &w.Panes[i]
		for y := max(p.Top, 0); y < min(p.Top+p.Height, w.Height); y++ {
			for x := max(p.Left, 0); x < min(p.Left+p.Width, w.Width); x++ {
				c := hatched
				if p.Seen {
					c = blank
					if dx, dy := x-p.Left, y-p.Top; dy < len(p.Rows) && dx < len(p.Rows[dy]) {
						c = p.Rows[dy][dx]
					}
				}
				grid[y*w.Width+x], taken[y*w.Width+x] = c, true
			}
			left, right := max(p.Left, 0), min(p.Left+p.Width, w.Width)
			if left < right {
				whole(grid[y*w.Width+left : y*w.Width+right])
			}
		}
	}
	w.borders(grid, taken)
	return grid
}

// borders draws lines where no pane is.
func (w *Window) borders(grid []scrollback.Cell, taken []bool) {
	// By which neighbours go on: up, down, left, right.
	const lines = "─│││─┘┐┤─└┌├─┴┬┼"
	pieces := []rune(lines)
	look := scrollback.Look{Faint: true}
	cells := make([]scrollback.Cell, len(pieces))
	for i, r := range pieces {
		cells[i] = scrollback.Text(string(r), look)[0]
	}
	free := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < w.Width && y < w.Height && !taken[y*w.Width+x]
	}
	for y := range w.Height {
		for x := range w.Width {
			if taken[y*w.Width+x] {
				continue
			}
			n := 0
			for bit, on := range []bool{free(x, y-1), free(x, y+1), free(x-1, y), free(x+1, y)} {
				if on {
					n |= 1 << bit
				}
			}
			grid[y*w.Width+x] = cells[n]
		}
	}
}
