package scrollback

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

// Cell is one column of a terminal: a character and how it looks, or nothing in
// the second column of a wide character. Cells that are equal look equal.
type Cell = cell

// Look is how text of muxward's own looks.
type Look struct{ Faint, Reversed bool }

// Text gives the cells of text of muxward's own.
func Text(text string, look Look) []Cell {
	var p pen
	if look.Faint {
		p.attrs |= 1 << 1
	}
	if look.Reversed {
		p.attrs |= reversed
	}
	var cells []Cell
	for _, r := range text {
		if r >= ' ' && r != 0x7f {
			cells = p.add(cells, r, string(r))
		}
	}
	return cells
}

// Screen reads what capture-pane -e -N prints of a pane's screen, row by row. A
// row may have fewer cells than the pane is wide, and no more.
func Screen(text string, width, height int) ([][]Cell, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if width < 1 || height < 1 || len(lines) != height {
		return nil, errCapture
	}
	rows := make([][]Cell, height)
	var now pen
	for y, line := range lines {
		rows[y], now = now.read(line, width)
		for x := range rows[y] {
			rows[y][x].text = drawable(rows[y], x)
		}
	}
	return rows, nil
}

// drawable is what is drawn in a column of a row: spaces where a tab was, and
// nothing that a terminal would obey.
func drawable(row []Cell, x int) string {
	switch text := row[x].text; {
	case text == "\t":
		return " "
	case text == "" && (x == 0 || row[x-1].text == " "):
		return " " // the rest of a tab
	case text == "":
		return ""
	default:
		text = strings.Map(shownRune, text)
		if text == "" {
			return " "
		}
		return text
	}
}

// shownRune is -1 for characters that are not drawn.
func shownRune(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) {
		return -1
	}
	return r
}

// Second reports whether the cell is the second column of the character before.
func (c cell) Second() bool { return c.text == "" }

// Wide reports whether the character takes two columns.
func (c cell) Wide() bool {
	r, _ := utf8.DecodeRuneInString(c.text)
	return c.text != "" && tmux.RuneWidth(r) == 2
}

// Plain reports whether every terminal draws the cell in one column.
func (c cell) Plain() bool { return len(c.text) == 1 && c.text[0] < utf8.RuneSelf }

// Empty reports whether the cell is a space that looks like nothing.
func (c cell) Empty() bool { return c == cell{text: " "} }

// Space is an empty cell in the colours of this one.
func (c cell) Space() Cell { return cell{" ", c.style} }

// Text is the character.
func (c cell) Text() string { return c.text }

// Pen writes cells for a terminal with so many colours. Begin with one whose
// terminal has no colours or attributes in force.
type Pen struct {
	bytes.Buffer
	Colours int
	// ASCII has something similar drawn in place of every other character.
	ASCII bool
	now   style
}

// Draw writes one cell where the cursor is.
func (p *Pen) Draw(c Cell) {
	if c.style != p.now {
		p.Write(c.style.on(nil, p.Colours))
		p.now = c.style
	}
	if p.ASCII && !c.Plain() {
		p.WriteString(c.similar())
		return
	}
	p.WriteString(c.text)
}

// similar is ASCII of the same width.
func (c cell) similar() string {
	switch {
	case c.text == "─":
		return "-"
	case c.text == "│":
		return "|"
	case c.text == "░" || c.text == "·":
		return "."
	case strings.Contains("┌┐└┘├┤┬┴┼", c.text):
		return "+"
	case c.Wide():
		return "__"
	}
	return "_"
}

// Lift has no colours or attributes in force.
func (p *Pen) Lift() {
	if p.now != (style{}) {
		p.WriteString("\x1b[0m")
		p.now = style{}
	}
}
