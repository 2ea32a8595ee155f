package tmuxtest

import (
	"fmt"
	"slices"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
)

// Picture is all that a terminal shows. Two pictures that are equal look the same
// to whoever sits there.
type Picture struct {
	Rows   []string // the characters of each row, of every cell
	Looks  []string // how the cells of each row look, by the columns in which that changes
	Cursor Cursor
}

// Cursor is where a terminal shows its cursor, and how. All hidden ones are equal.
type Cursor struct {
	Hidden   bool
	Col, Row int // counted from 0
	Shape    int // 0 a block, 1 a line below, 2 a bar
	Steady   bool
}

// Equal reports whether both look the same.
func (p Picture) Equal(q Picture) bool {
	return p.Cursor == q.Cursor && slices.Equal(p.Rows, q.Rows) && slices.Equal(p.Looks, q.Looks)
}

// Differences tells, by rows, how another picture differs from this one.
func (p Picture) Differences(q Picture) string {
	var b strings.Builder
	if p.Cursor != q.Cursor {
		fmt.Fprintf(&b, "cursor %+v\n     ≠ %+v\n", p.Cursor, q.Cursor)
	}
	for y := range max(len(p.Rows), len(q.Rows)) {
		for _, part := range [][2][]string{{p.Rows, q.Rows}, {p.Looks, q.Looks}} {
			if one, other := row(part[0], y), row(part[1], y); one != other {
				fmt.Fprintf(&b, "row %2d %q\n     ≠ %q\n", y, one, other)
			}
		}
	}
	return b.String()
}

func row(rows []string, y int) string {
	if y < len(rows) {
		return rows[y]
	}
	return "(no such row)"
}

// Picture returns all that is shown.
func (x *Terminal) Picture() Picture {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.scr == nil {
		return Picture{Rows: []string{"(the terminal was closed)"}}
	}
	return x.scr.Picture()
}

// watchCursor has the emulator tell how the cursor looks.
func (s *emulator) watchCursor() {
	s.e.SetCallbacks(vt.Callbacks{
		CursorVisibility: func(visible bool) { s.cursor.Hidden = !visible },
		CursorStyle: func(style vt.CursorStyle, steady bool) {
			s.cursor.Shape, s.cursor.Steady = int(style), steady
		},
	})
}

func (s *emulator) Picture() Picture {
	s.settle()
	p := Picture{Rows: make([]string, s.e.Height()), Looks: make([]string, s.e.Height())}
	for y := range p.Rows {
		p.Rows[y], p.Looks[y] = s.row(y)
	}
	p.Cursor = Cursor{Hidden: true}
	if !s.cursor.Hidden {
		p.Cursor = s.cursor
		p.Cursor.Col, p.Cursor.Row = s.Cursor()
	}
	return p
}

// row gives a row's characters and how they look.
func (s *emulator) row(y int) (text, looks string) {
	var b, l strings.Builder
	last := uv.Cell{}
	for x := 0; x < s.e.Width(); x++ {
		c := uv.EmptyCell
		if at := s.e.CellAt(x, y); at != nil {
			c = *at
		}
		if c.Width == 0 && x > 0 { // the rest of a wide character
			continue
		}
		if c.Content == "" {
			c.Content = " "
		}
		b.WriteString(c.Content)
		c.Style = visible(c.Content, c.Style)
		if !c.Style.Equal(&last.Style) || !c.Link.Equal(&last.Link) {
			fmt.Fprintf(&l, "%d:%s%s ", x, strings.Trim(c.Style.String(), "\x1b[m"), c.Link.URL)
			last = c
		}
	}
	return b.String(), l.String()
}

// visible is what can be seen of how a character looks: of a blank, nothing of what
// only its ink would have.
func visible(content string, s uv.Style) uv.Style {
	if content != " " {
		return s
	}
	const lines = uv.AttrReverse | uv.AttrStrikethrough
	if s.Attrs&lines == 0 && s.Underline == uv.UnderlineNone {
		s.Fg, s.UnderlineColor = nil, nil
	}
	s.Attrs &= lines
	return s
}
