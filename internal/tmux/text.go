package tmux

import (
	"fmt"
	"strings"
)

// CommandText is what one piece of command text says: a configuration file, a line of
// control mode, or the commands inside another command.
type CommandText struct {
	// Commands are in the order in which tmux runs them. Commands with the same
	// Group stand and fall together: if one fails, tmux drops those that follow
	// it in its group.
	Commands []*Invocation
	// Assignments take effect while tmux reads the text, so before any command
	// runs, in this order. Whoever runs the commands one by one has to carry
	// them out, or refuse the text.
	Assignments []Assignment
}

// Assignment is one NAME=value in the place of a command. tmux puts it into its
// global environment; a hidden one does not reach the programs it starts.
type Assignment struct {
	Name, Value string
	Hidden      bool
	At          Position
}

// Invocation is the command that does the same.
func (a *Assignment) Invocation() *Invocation {
	inv := &Invocation{Row: FindCommand("set-environment"), Args: []string{a.Name, a.Value}}
	inv.SetBare('g')
	if a.Hidden {
		inv.SetBare('h')
	}
	return inv
}

// Text writes the assignment as a line of tmux's command language, every byte of
// the value literal.
func (a *Assignment) Text() (string, error) {
	line, err := QuoteControl([]string{a.Name + "=" + a.Value})
	if a.Hidden {
		line = "%hidden " + line
	}
	return line, err
}

// Position is a place in a text: its line and the byte in that line, both from
// 1. The zero Position is no place.
type Position struct{ Line, Column int }

// String writes the position for people.
func (p Position) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// Expansion answers what a text leaves to the server that reads it. muxward
// does not know that of other people's servers, and what it stands for could
// change before tmux asks again; so without an Expansion a text that uses $NAME,
// ~ or %if is refused.
type Expansion struct {
	// Variable returns a variable of the server's global environment.
	Variable func(name string) (value string, ok bool)
	// Home returns a user's home directory, for "" the server's own.
	Home func(user string) (dir string, ok bool)
	// Condition expands the format of %if and says whether it is true. If it is
	// nil, conditions are refused and the rest is expanded.
	Condition func(format string) bool
	// Early is set if Condition is asked before the assignments of the text are
	// carried out. A condition that may be about one is refused then.
	Early bool
}

// TextError says why a command text was refused as a whole, and where. As in
// [ParseError], Text is in tmux's words where tmux has words for it. The place
// is ours: tmux counts lines differently and no columns.
type TextError struct {
	ParseError
	At Position
	// Assignments were read before the place of the error: tmux has carried them
	// out by then.
	Assignments []Assignment
}

// Error returns the place and the reason, for people.
func (e *TextError) Error() string { return e.At.String() + ": " + e.Text }

// fault is a reason to refuse and the offset in the text that it is about.
type fault struct {
	ParseError
	at int
}

// ParseText parses command text as tmux does: all of it or nothing. It knows
// every form of tmux's language: separators and continued lines, comments,
// quotes and escapes, blocks, assignments, conditions, abbreviations and the
// server's command-alias. What it accepts, tmux reads in the same way.
func ParseText(text string, opts ParseOptions) (*CommandText, *TextError) {
	b := newAssembler(opts)
	parsed, f := b.parseText(text)
	if f != nil {
		return nil, &TextError{ParseError: f.ParseError, At: b.place.find(f.at), Assignments: parsed.Assignments}
	}
	return parsed, nil
}

// parseText returns what was assigned also if the text is refused.
func (b *assembler) parseText(text string) (*CommandText, *fault) {
	b.place = place{text: text}
	p := newParser(text, &b.opts)
	commands := p.lines()
	for i := range p.assignments {
		p.assignments[i].At = b.place.find(p.assignedAt[i])
	}
	parsed := &CommandText{Assignments: p.assignments}
	if p.fault != nil {
		return parsed, p.fault
	}
	b.assigned = p.assigned
	var f *fault
	parsed.Commands, f = b.build(nil, commands)
	return parsed, f
}

// place turns offsets into lines and columns. Offsets mostly ascend, so it goes
// on from where it was.
type place struct {
	text             string
	at, line, column int // column is the offset of the line's first byte
}

func (p *place) find(at int) Position {
	at = min(at, len(p.text))
	if at < p.at {
		p.at, p.line, p.column = 0, 0, 0
	}
	for {
		i := strings.IndexByte(p.text[p.at:at], '\n')
		if i < 0 {
			break
		}
		p.at += i + 1
		p.line, p.column = p.line+1, p.at
	}
	p.at = at
	return Position{p.line + 1, at - p.column + 1}
}
