package attachtest

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Modes are the modes of a terminal that was shown some bytes.
type Modes struct {
	Private         map[int]bool // DECSET, by number
	Keypad          bool         // application keypad
	G0, G1, Shifted bool         // line drawing in either set, or the second one in use
	Region          bool         // a scrolling region
	Rendition       bool         // colours or attributes for what is written next
	Title           bool         // a title that was pushed and not popped
	Style           bool         // a cursor style
	ModifyOtherKeys bool
	Kitty           []int // flags of the kitty keyboard, the last in force
	Colour          bool  // a cursor colour
	Partial         bool  // in the middle of a sequence
}

// Emulate says what p leaves a terminal in.
func Emulate(p []byte) *Modes {
	e := &Modes{Private: map[int]bool{}, Kitty: []int{0}}
	var state byte
	parser := ansi.NewParser()
	for len(p) > 0 {
		seq, _, n, next := ansi.DecodeSequence(p, state, parser)
		if n == 0 {
			break
		}
		e.apply(string(seq), parser)
		state, p = next, p[n:]
	}
	e.Partial = state != ansi.NormalState
	return e
}

func (e *Modes) apply(seq string, parser *ansi.Parser) {
	switch seq {
	case "\x1b=":
		e.Keypad = true
	case "\x1b>":
		e.Keypad = false
	case "\x0e":
		e.Shifted = true
	case "\x0f":
		e.Shifted = false
	case "\x1b(0", "\x1b(B":
		e.G0 = seq[2] == '0'
	case "\x1b)0", "\x1b)B":
		e.G1 = seq[2] == '0'
	}
	if strings.HasPrefix(seq, "\x1b]12;") || strings.HasPrefix(seq, "\x1b]112") {
		e.Colour = strings.HasPrefix(seq, "\x1b]12;")
	}
	if strings.HasPrefix(seq, "\x1b[") {
		e.control(seq, parser)
	}
}

func (e *Modes) control(seq string, parser *ansi.Parser) {
	cmd := ansi.Cmd(parser.Command())
	switch {
	case cmd.Prefix() == '?' && (cmd.Final() == 'h' || cmd.Final() == 'l'):
		for _, v := range parser.Params() {
			e.Private[v.Param(0)] = cmd.Final() == 'h'
		}
	case cmd.Final() == 'u' && cmd.Prefix() != 0:
		e.kitty(cmd.Prefix(), parser)
	case cmd.Prefix() == '>' && cmd.Final() == 'm':
		e.ModifyOtherKeys = seq != "\x1b[>4m"
	case cmd.Prefix() == 0 && cmd.Intermediate() == 0 && cmd.Final() == 'm':
		e.Rendition = seq != "\x1b[m" && seq != "\x1b[0m"
	case cmd.Prefix() == 0 && cmd.Final() == 'r':
		e.Region = len(parser.Params()) > 0 && seq != "\x1b[r"
	case cmd.Intermediate() == ' ' && cmd.Final() == 'q':
		e.Style = seq != "\x1b[0 q"
	case cmd.Final() == 't' && strings.HasPrefix(seq, "\x1b[22"):
		e.Title = true
	case cmd.Final() == 't' && strings.HasPrefix(seq, "\x1b[23"):
		e.Title = false
	}
}

// kitty follows the stack of the kitty keyboard's flags.
func (e *Modes) kitty(prefix byte, parser *ansi.Parser) {
	n, _ := parser.Param(0, 0)
	switch prefix {
	case '>':
		e.Kitty = append(e.Kitty, n)
	case '<':
		e.Kitty = e.Kitty[:max(1, len(e.Kitty)-max(n, 1))]
	case '=':
		e.Kitty[len(e.Kitty)-1] = n
	}
}

// Left lists what is not as a shell expects it.
func (e *Modes) Left() []string {
	var left []string
	for mode, on := range e.Private {
		if want := mode == 25 || mode == 7; on != want && mode != 12 {
			left = append(left, "mode ?"+strconv.Itoa(mode))
		}
	}
	for name, bad := range map[string]bool{
		"keypad": e.Keypad, "charset": e.Shifted || e.G0, "region": e.Region, "rendition": e.Rendition, "title": e.Title,
		"style": e.Style, "keys": e.ModifyOtherKeys, "kitty": e.Kitty[len(e.Kitty)-1] != 0, "colour": e.Colour, "cut": e.Partial,
	} {
		if bad {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	return left
}

// Sane is nil if nothing is [Modes.Left].
func (e *Modes) Sane() error {
	if left := e.Left(); len(left) > 0 {
		return errors.New("not restored: " + strings.Join(left, ", "))
	}
	return nil
}
