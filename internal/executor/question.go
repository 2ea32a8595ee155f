package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// question is what a person is asked at their own terminal before commands run. As
// in tmux they may think about it as long as they like: what it is about is looked
// at again when they answer.
type question struct {
	e     *errand
	inv   *tmux.Invocation
	about *tmux.Found // what was current when they were asked
	line  *line       // what they type, for command-prompt
	// then is what is done with the answers where inv is nil: muxward itself asks.
	then func(ctx context.Context, answers []string)
	// takes says, if it is there, of the answers so far why they cannot be meant.
	takes func(answers []string) error
}

// asksFirst: the person's own terminal is where they are asked. Forms that are
// not asked here go to the line, which refuses them.
func (e *errand) asksFirst(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "confirm-before":
		return !inv.Has('t')
	case "command-prompt":
		return offersLine(inv, e.k.looking())
	}
	return false
}

// errNowhere: without knowing what is current nothing is asked and nothing shown.
var errNowhere = errors.New("what it is about cannot be found out")

// question asks in tmux's place.
func (e *errand) question(ctx context.Context, now step) error {
	inv := now.inv
	waits := !inv.Has('b') && e.opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 3})
	if !waits && !now.late && len(e.todo) > 0 {
		e.todo = append(e.todo, step{inv, e.groups, true, now.author})
		e.groups++
		return nil
	}
	if err := e.locate(ctx); err != nil {
		return err
	}
	if e.current == nil {
		return errNowhere
	}
	q := &question{e: e, inv: inv, about: e.current}
	var text, typed string
	var err error
	if inv.Row.Name == "command-prompt" {
		if q.line, err = e.line(ctx, inv); err == nil {
			text, typed = q.line.shown()
		}
	} else {
		text, err = e.confirmation(ctx, inv)
	}
	if err != nil {
		return err
	}
	e.k.ask = q
	e.k.s.att.Ask(text, typed)
	return errAsked
}

// words expands a format of the owner's as it is answered to this person; what
// it may not say to them is left out.
func (e *errand) words(ctx context.Context, format string) (string, bool) {
	if !strings.ContainsAny(format, "#%") {
		return format[:min(len(format), maxPrinted)], true
	}
	asking := &tmux.Invocation{Row: tmux.FindCommand("display-message"), Typed: "display-message", Args: []string{format}}
	asking.SetBare('p')
	text, err := e.hand(ctx, asking)
	return strings.TrimSuffix(text, "\n"), err == nil
}

// confirmation is what confirm-before asks.
func (e *errand) confirmation(ctx context.Context, inv *tmux.Invocation) (string, error) {
	commands, err := e.nested(ctx, inv, 0)
	if err != nil {
		return "", err
	}
	if len(commands) == 0 {
		return "", errors.New("there is nothing to confirm")
	}
	if p, ok := inv.Get('p'); ok {
		if text, ok := e.words(ctx, p); ok {
			return text, nil
		}
	}
	return fmt.Sprintf("Confirm '%s'? (%c/n)", commands[0].Row.Name, confirms(inv)), nil
}

// confirms is the key that stands for yes.
func confirms(inv *tmux.Invocation) byte {
	if key, ok := inv.Get('c'); ok && len(key) == 1 {
		return key[0]
	}
	return 'y'
}

// answer takes a key that is pressed while the person is asked something.
func (k *keyboard) answer(ctx context.Context, key string) error {
	failpoint.At("keyboard-answer")
	q := k.ask
	if q.line != nil {
		return k.edit(ctx, q, key)
	}
	if !answers(key, q.e.opts.Version) {
		return nil
	}
	yes := key == string(confirms(q.inv)) || key == "Enter" && q.inv.Has('y')
	if !yes && (key != "Y" || q.e.opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 4})) {
		return k.close(ctx, q, nil)
	}
	return k.close(ctx, q, func() ([]*tmux.Invocation, error) { return q.e.nested(ctx, q.inv, 0) })
}

// close takes the question away, and does what it was answered with before what
// was still to be done.
func (k *keyboard) close(ctx context.Context, q *question, commands func() ([]*tmux.Invocation, error)) error {
	k.unasked()
	if commands == nil {
		return q.e.run(ctx)
	}
	if err := q.e.resume(ctx, q, commands); err != nil {
		k.s.att.Notice(q.e.told(q.inv.Row.Name+": ", err)) // what stands behind a question goes on
	}
	return q.e.run(ctx)
}

// resume has what a question was answered with done next, about what the person
// was asked about: all of it, or nothing if one of the commands is refused.
func (e *errand) resume(ctx context.Context, q *question, commands func() ([]*tmux.Invocation, error)) error {
	if err := q.stands(ctx); err != nil {
		return err
	}
	all, err := commands()
	if err != nil {
		return err
	}
	e.current = q.about
	if q.line == nil {
		counted := e.steps // these, too, when it was asked
		e.steps = 0
		defer func() { e.steps = counted }()
	}
	if err := e.preview(ctx, all, false); err != nil {
		return err
	}
	e.next(all)
	return nil
}

// unasked takes the question away.
func (k *keyboard) unasked() {
	k.ask = nil
	k.s.att.Answered()
}

// answers reports whether a key is an answer: a character, or one that ends
// questions. Others are nothing to a question.
func answers(key string, v tmux.Version) bool {
	switch key {
	case "Space", "Enter", "Escape", "C-c", "C-g":
		return true
	}
	key, control := strings.CutPrefix(key, "C-")
	return utf8.RuneCountInString(key) == 1 && (!control || v.AtLeast(tmux.Version{Major: 3, Minor: 6}))
}

// stands finds out whether what was current when the person was asked is still
// there: nothing else is taken for it.
func (q *question) stands(ctx context.Context) error {
	a := q.about
	snap, err := q.e.look(ctx)
	if err != nil {
		return err
	}
	pane, session := snap.Pane(a.Pane.ID), snap.Session(a.Session.ID)
	if pane == nil || pane.Window != a.Window.ID || session == nil || session.LinkOf(a.Window.ID) == nil {
		return errors.New("nothing is done: what you were asked about has gone, or is elsewhere")
	}
	return nil
}

// keyAsks reports whether what was refused can be asked for in the person's display, which
// who comes by ssh, and has no commands to ask by, can as well.
func keyAsks(r *gateway.Refused) bool {
	free := r.Ask != "" || r.Decision.Rule == gateway.RuleDefault && !r.Need.Whole && !access.Governing.Has(r.Need.Verb)
	return free && r.Need.Object.Kind == access.Pane
}

// told words why something was not done, for the person: which right is missing
// and whom to ask for it. Of what they may not know of, they are not told the
// name that a binding has for it, and of what a binding says nothing that only
// the server's owner has to know.
func (e *errand) told(what string, err error) string {
	var refused *gateway.Refused
	var lost *gateway.NotFound
	var value *tmux.ValueError
	var format *tmux.FormatError
	switch {
	case errors.As(err, &refused) && refused.Decision.Rule == gateway.RuleLockdown:
		return what + "not permitted: " + refused.Decision.Reason // nobody gives it now
	case errors.As(err, &refused) && refused.Decision.Rule == gateway.RuleLease:
		return what + "not permitted: " + refused.Decision.Reason // it is not the owner's to give
	case errors.As(err, &refused) && keyAsks(refused) && e.k.s.asksBy() != "":
		return what + (&gateway.Refused{Need: refused.Need}).Error() + "; " + e.k.s.asksBy() + " asks for it"
	case errors.As(err, &refused):
		text := what + (&gateway.Refused{Need: refused.Need}).Error() + "; ask " + e.k.s.server.Owner() + " for it"
		if refused.Ask != "" {
			return text + ": " + refused.Ask
		}
		if refused.Decision.Reason != "" && refused.Decision.Rule != gateway.RuleDefault {
			text += " (" + refused.Decision.Reason + ")"
		}
		return text
	case errors.As(err, &lost):
		return what + "what it is about is not there, as far as you may see"
	case errors.As(err, &value) && e.author == binder:
		return what + "it is bound with a value that is not taken from guests; the log says which"
	case errors.As(err, &format) && e.author != person:
		return what + "it is bound with a format that is not answered here; the log says which"
	}
	return what + strings.TrimPrefix(err.Error(), what)
}
