package tmuxtest

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/vt"
)

// screen is an emulated terminal. It is not safe for concurrent use.
type screen interface {
	io.Writer
	Resize(cols, rows int)
	// Rows returns the text shown, without trailing blanks.
	Rows() []string
	Cursor() (col, row int)
	Picture() Picture
	// Close ends it. What it would answer its program with is read from
	// the reader that newScreen returned, until then.
	Close()
}

func newScreen(cols, rows int) (screen, io.Reader) {
	s := &emulator{e: vt.NewEmulator(cols, rows)}
	s.watchCursor()
	return s, s.e
}

// blank is a screen that shows nothing.
type blank struct{}

func (blank) Write(p []byte) (int, error) { return len(p), nil }
func (blank) Resize(int, int)             {}
func (blank) Rows() []string              { return []string{"(nobody looks at this terminal)"} }
func (blank) Cursor() (col, row int)      { return 0, 0 }
func (blank) Picture() Picture            { return Picture{} }
func (blank) Close()                      {}

type emulator struct {
	e      *vt.Emulator
	tail   []byte // not yet given to e
	cursor Cursor // how it looks, not where it is
}

// Write holds back what comes after the last control character: the emulator
// ends a cluster of characters with each write, and reads cut anywhere.
func (s *emulator) Write(p []byte) (int, error) {
	s.tail = append(s.tail, p...)
	cut := len(s.tail)
	for cut > 0 && s.tail[cut-1] >= 0x20 && len(s.tail)-cut < 4096 {
		cut--
	}
	if cut == 0 {
		return len(p), nil
	}
	if _, err := s.e.Write(s.tail[:cut]); err != nil {
		return 0, err
	}
	s.tail = append(s.tail[:0], s.tail[cut:]...)
	return len(p), nil
}

func (s *emulator) settle() {
	_, _ = s.e.Write(s.tail) // to memory
	s.tail = s.tail[:0]
}

func (s *emulator) Resize(cols, rows int) {
	s.settle()
	s.e.Resize(cols, rows)
}

func (s *emulator) Rows() []string {
	s.settle()
	rows := make([]string, s.e.Height())
	for y := range rows {
		var b strings.Builder
		for x := 0; x < s.e.Width(); x++ {
			switch c := s.e.CellAt(x, y); {
			case c == nil || c.Content == "" && c.Width > 0:
				b.WriteByte(' ')
			case c.Width > 0:
				b.WriteString(c.Content)
			}
		}
		rows[y] = strings.TrimRight(b.String(), " ")
	}
	return rows
}

func (s *emulator) Cursor() (col, row int) {
	s.settle()
	p := s.e.CursorPosition()
	return p.X, p.Y
}

func (s *emulator) Close() {
	// Not e.Close: that one races with a Read that waits.
	if c, ok := s.e.InputPipe().(io.Closer); ok {
		_ = c.Close()
	}
}
