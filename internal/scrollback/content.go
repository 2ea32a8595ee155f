package scrollback

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

// cell is one column. The second column of a wide character is an empty cell.
type cell struct {
	text  string
	style style
}

func (c cell) padding() bool { return c.text == "" }
func (c cell) blank() bool   { return c.text == " " || c.text == "\t" }

// row is one line of the pane. It is kept as it was captured: of a long history
// few rows are ever looked at closely.
type row struct {
	raw     string
	state   pen // what was in force at its begin
	length  int // columns up to the last that is not a space
	size    int // columns
	plain   string
	wrapped bool // the next row goes on with it
}

// Content is what a pane held at one moment: history, then screen. It is
// immutable, but for what it remembers of the rows last looked at, so it belongs
// to one goroutine.
type Content struct {
	rows          []row
	width, height int // of the pane
	// older is how many lines there are before the first one here.
	older int

	last  [2]int // which rows are in cells
	cells [2][]cell
	steps int // how many cells were looked at
}

// maxSteps is how many cells are looked at before a command is given up where it
// has come to, whatever it was to do: a part of a second.
const maxSteps = 4 << 20

func (c *Content) tired() bool { return c.steps > maxSteps }

// tire has what is going on given up.
func (c *Content) tire() { c.steps = maxSteps + 1 }

// Capture is what was captured of a pane.
type Capture struct {
	// Width and Height are the pane's size.
	Width, Height int
	// History is how many lines of its history were captured, Older how many
	// before them were not.
	History, Older int
	// Text is what capture-pane -e -N prints, one line for each row; Joined is
	// what capture-pane -J prints of the same rows at the same moment.
	Text, Joined string
}

var errCapture = errors.New("what was captured of the pane cannot be read")

// Parse reads what was captured.
func Parse(c Capture) (*Content, error) {
	lines := strings.Split(strings.TrimSuffix(c.Text, "\n"), "\n")
	if c.Width < 1 || c.Height < 1 || c.History < 0 || len(lines) != c.History+c.Height {
		return nil, errCapture
	}
	content := &Content{
		rows: make([]row, len(lines)), width: c.Width, height: c.Height, older: c.Older, last: [2]int{-1, -1},
	}
	var now pen
	for y, line := range lines {
		r := &content.rows[y]
		r.raw, r.state = line, now
		var cells []cell
		cells, now = now.read(line, c.Width)
		r.measure(cells)
	}
	content.join(strings.Split(strings.TrimSuffix(c.Joined, "\n"), "\n"))
	return content, nil
}

// measure notes what is known of a row without its cells.
func (r *row) measure(cells []cell) {
	var b strings.Builder
	for x, c := range cells {
		if !c.blank() || c.text == "\t" {
			r.length = x + 1
		}
		b.WriteString(c.text)
	}
	r.size, r.plain = len(cells), b.String()
	if r.plain == r.raw {
		r.plain = r.raw // one string instead of two
	}
}

// join finds out which rows go on in the next one: of those each line of joined
// is made. What does not fit leaves the rest as lines of their own.
func (c *Content) join(joined []string) {
	y := 0
	for _, line := range joined {
		for y < len(c.rows) {
			r := &c.rows[y]
			text := bare(r.raw)
			rest, ok := strings.CutPrefix(line, text)
			if !ok && strings.TrimRight(line, " ") != strings.TrimRight(text, " ") {
				return
			}
			y++
			if line = rest; line == "" {
				break
			}
			switch {
			case y == len(c.rows): // nothing is there to go on in
			case r.size >= c.width-1:
				r.wrapped = true
			case y > 1: // the row before goes on in this one, which is empty
				c.rows[y-2].wrapped = true
			}
		}
	}
}

// hsize is how many rows of history there are.
func (c *Content) hsize() int { return len(c.rows) - c.height }

// bottom is the last row.
func (c *Content) bottom() int { return len(c.rows) - 1 }

func (c *Content) length(y int) int   { return c.rows[y].length }
func (c *Content) wrapped(y int) bool { return c.rows[y].wrapped }

// row gives the cells of a row.
func (c *Content) row(y int) []cell {
	for i, have := range c.last {
		if have == y {
			return c.cells[i]
		}
	}
	cells, _ := c.rows[y].state.read(c.rows[y].raw, c.width)
	c.steps += len(c.rows[y].raw)
	c.last[1], c.cells[1] = c.last[0], c.cells[0]
	c.last[0], c.cells[0] = y, cells
	return cells
}

// at gives a cell; beyond the end of a row there are spaces.
func (c *Content) at(x, y int) cell {
	c.steps++
	if cells := c.row(y); x >= 0 && x < len(cells) {
		return cells[x]
	}
	return cell{text: " "}
}

// read gives the cells of one line, and what is in force behind it.
func (p pen) read(line string, width int) ([]cell, pen) {
	cells := make([]cell, 0, min(len(line), width))
	for len(line) > 0 && len(cells) <= width {
		switch c := line[0]; {
		case c == 0x1b:
			line = line[p.escape(line):]
			continue
		case c == 0x0e || c == 0x0f:
			p.drawing, line = c == 0x0e, line[1:]
			continue
		case c == '\t':
			cells = append(cells, cell{"\t", p.style})
			for len(cells)%8 != 0 && len(cells) < width {
				cells = append(cells, cell{"", p.style})
			}
			line = line[1:]
			continue
		case c < ' ' || c == 0x7f:
			line = line[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		text := line[:n]
		line = line[n:]
		if p.drawing && n == 1 {
			text = drawn(text)
		}
		cells = p.add(cells, r, text)
	}
	// What is behind the last column only changes what is in force.
	for len(line) > 0 {
		if line[0] == 0x1b {
			line = line[p.escape(line):]
			continue
		}
		if line[0] == 0x0e || line[0] == 0x0f {
			p.drawing = line[0] == 0x0e
		}
		line = line[1:]
	}
	return cells[:min(len(cells), width)], p
}

// add puts a character behind others: in a column, in two, or into the one
// before.
func (p pen) add(cells []cell, r rune, text string) []cell {
	if r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
		text = "?" // it would not be shown as it is
	}
	switch tmux.RuneWidth(r) {
	case 0:
		for i := len(cells) - 1; i >= 0; i-- {
			if !cells[i].padding() {
				cells[i].text += text
				break
			}
		}
		return cells
	case 2:
		return append(cells, cell{text, p.style}, cell{"", p.style})
	}
	return append(cells, cell{text, p.style})
}

// bare is a line without what only says how it looks.
func bare(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 && strings.IndexByte(line, 0x0e) < 0 && strings.IndexByte(line, 0x0f) < 0 {
		return line
	}
	var b strings.Builder
	var p pen
	for len(line) > 0 {
		switch line[0] {
		case 0x1b:
			line = line[p.escape(line):]
			continue
		case 0x0e, 0x0f:
		default:
			b.WriteByte(line[0])
		}
		line = line[1:]
	}
	return b.String()
}
