package executor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// maxExpanded bounds what variables add to one line.
const maxExpanded = control.MaxLine / 4

// expander has the server answer what one line leaves to it. It asks by lines
// that are no commands: tmux refuses each, in words that hold the answer as it is,
// and nothing has been done.
type expander struct {
	s     *controlSeat
	ctx   context.Context
	known map[string]*string // nil for what there is not
	size  int
	err   error // the first answer that is missing
}

// Expand gives the answers of the server, for somebody who holds every verb on
// it: their own client is what conditions are about.
func (s *controlSeat) Expand(ctx context.Context) (*tmux.Expansion, func() error) {
	e := &expander{s: s, ctx: ctx, known: map[string]*string{}}
	failed := func() error { return e.err }
	if !s.full {
		return nil, failed // nothing is ever sent by that client
	}
	return &tmux.Expansion{
		Variable:  func(name string) (string, bool) { return e.value("$" + name) },
		Home:      e.home,
		Condition: e.condition,
		Early:     true,
	}, failed
}

// home asks for a user's home directory. What cannot be somebody's name is not
// asked for.
func (e *expander) home(user string) (string, bool) {
	if strings.ContainsAny(user, "\"'\\$#{};/") || strings.ContainsFunc(user, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", false
	}
	return e.value("~" + user)
}

// value gives what stands for a word, which is one that tmux takes in double
// quotes.
func (e *expander) value(word string) (string, bool) {
	v, asked := e.known[word]
	if !asked {
		if e.err != nil {
			return "", false
		}
		v, e.err = e.ask(word)
		e.known[word] = v
	}
	if v == nil {
		return "", false
	}
	if e.size += len(*v); e.size > maxExpanded {
		e.err = fmt.Errorf("variables make the line longer than %d bytes", maxExpanded)
		return "", false
	}
	return *v, true
}

// ask asks by a command of an unknown name, which begins with what nobody knows
// and ends with the word.
func (e *expander) ask(word string) (*string, error) {
	ctx, cancel := context.WithTimeout(e.ctx, answerTime)
	defer cancel()
	c, err := e.s.server.Control(ctx)
	if err != nil {
		return nil, err
	}
	name := "mw" + strings.ToLower(rand.Text()) + "-"
	replies, err := c.Do(ctx, name+`"`+word+`"`)
	if err != nil {
		return nil, err
	}
	var said *control.CommandError
	if !errors.As(replies[0].Err, &said) {
		return nil, errors.New("it answers in an unknown way")
	}
	if value, ok := strings.CutPrefix(said.Text, "parse error: unknown command: "+name); ok {
		return &value, nil
	}
	return nil, nil // no such user
}

// condition has tmux decide a condition for the person's own client, as it
// would in the line: which of two marks is refused tells.
func (e *expander) condition(format string) bool {
	if e.err != nil {
		return false
	}
	var is bool
	is, e.err = e.s.condition(e.ctx, format)
	return is
}

func (s *controlSeat) condition(ctx context.Context, format string) (bool, error) {
	word, err := tmux.QuoteControl([]string{format})
	if err != nil {
		return false, err
	}
	yes, isTrue := s.expect()
	no, isFalse := s.expect()
	end, c := s.expect()
	defer func() { s.forget(isTrue); s.forget(isFalse); s.forget(c) }()
	line := []byte("%if " + word + " ")
	line = append(bytes.TrimSuffix(s.marks.Append(line, yes), []byte("\n")), " %else "...)
	line = append(bytes.TrimSuffix(s.marks.Append(line, no), []byte("\n")), " %endif\n"...)
	if err := s.deliver(ctx, s.marks.Append(line, end)); err != nil {
		return false, err
	}
	if err := s.await(ctx, c, false); err != nil {
		return false, err
	}
	switch {
	case isTrue.isDone():
		return true, nil
	case isFalse.isDone():
		return false, nil
	}
	return false, errServerGone
}
