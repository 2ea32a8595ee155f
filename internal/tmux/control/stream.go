package control

import (
	"bytes"
	"strconv"
	"time"
)

// This file is for who passes a control-mode stream on: it tells its lines
// apart and writes blocks like those of a server.

// Line says what a line of a control-mode stream is.
type Line uint8

// What a line can be.
const (
	Notification Line = iota // begins with a percent sign, outside of blocks
	Stray                    // other text outside of blocks: of a command that prints later
	Begin                    // begins a block
	Body                     // is in a block
	End                      // ends a block
	Failed                   // ends the block of a command that failed
)

// Sorter tells the lines of a stream apart. The zero Sorter is at a stream's
// begin.
type Sorter struct {
	guard []byte
	in    bool
}

// Sort says what the next line is, which comes without its newline. The text of
// a block may be anything; the block ends at the first guard that fits.
func (s *Sorter) Sort(l []byte) Line {
	if s.in {
		failed, ok := ends(l, s.guard)
		switch {
		case !ok:
			return Body
		case failed:
			s.in = false
			return Failed
		}
		s.in = false
		return End
	}
	if guard, _, ok := beginGuard(l); ok {
		s.guard, s.in = append(s.guard[:0], guard...), true
		return Begin
	}
	if len(l) > 0 && l[0] == '%' {
		return Notification
	}
	return Stray
}

// Number gives the number of the block that began last, 0 if there was none.
func (s *Sorter) Number() uint64 {
	fields := bytes.Fields(s.guard)
	if len(fields) != 3 {
		return 0
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Marks are lines that are no commands and hold a number that nobody else
// knows: tmux refuses each in words that are known beforehand, which tells that
// what was sent before it is done.
type Marks struct {
	mark    string
	refusal []byte
}

// NewMarks makes the marks of one connection of a secret, which has to be
// letters and digits.
func NewMarks(secret string) Marks {
	mark := "mw" + secret + "-"
	return Marks{mark, []byte("parse error: unknown command: " + mark)}
}

// Append appends the mark with a number, and a newline.
func (m Marks) Append(b []byte, seq uint64) []byte { return appendMarker(b, m.mark, seq) }

// Read gives the number in the refusal of a mark.
func (m Marks) Read(l []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(l, m.refusal)
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(rest), 16, 64)
	return seq, err == nil
}

// Block is what a control-mode server writes about one command.
type Block struct {
	Time   time.Time
	Number uint64
	// Line is set if the command came in a line, and not with the client.
	Line   bool
	Text   []byte // what was printed
	Failed bool
}

// Append appends the block.
func (k Block) Append(b []byte) []byte {
	b = k.guard(b, "%begin ")
	if b = append(b, k.Text...); len(k.Text) > 0 && k.Text[len(k.Text)-1] != '\n' {
		b = append(b, '\n')
	}
	return k.AppendEnd(b)
}

// AppendEnd appends the guard that ends the block.
func (k Block) AppendEnd(b []byte) []byte {
	if k.Failed {
		return k.guard(b, "%error ")
	}
	return k.guard(b, "%end ")
}

// Forged reports whether a line of the text reads as the end of the block:
// whoever reads it would take what follows for the server's words.
func (k Block) Forged() bool {
	guard := k.guard(nil, "")
	for line := range bytes.Lines(k.Text) {
		if _, ok := ends(bytes.TrimSuffix(line, []byte("\n")), guard[:len(guard)-1]); ok {
			return true
		}
	}
	return false
}

func (k Block) guard(b []byte, word string) []byte {
	b = strconv.AppendInt(append(b, word...), k.Time.Unix(), 10)
	b = strconv.AppendUint(append(b, ' '), k.Number, 10)
	if k.Line {
		return append(b, " 1\n"...)
	}
	return append(b, " 0\n"...)
}
