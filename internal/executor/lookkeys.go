package executor

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux"
)

// privacy is what a command does that is about the person's own look back or mouse,
// or that muxward shows them in the place of what tmux would.
type privacy uint8

const (
	forAll privacy = iota // it is nothing of the kind
	looksOn
	keysIn
	reports
	selected
	goes
	stays
	pastesOwn
	waits
	helping
	picking
)

// privacy tells which of these a command is as things are now.
func (e *errand) privacy(inv *tmux.Invocation) privacy {
	switch {
	case looksBack(inv):
		return looksOn
	case inMode(inv):
		return keysIn
	case passesOn(inv):
		return reports
	case e.selects(inv):
		return selected
	case e.k.s.own != nil && goesAbout(inv):
		return goes
	case picks(inv):
		return picking
	case e.k.s.own != nil && inv.Row.Name == "switch-client" && !entersTable(inv):
		return stays
	case e.k.pastes(inv):
		return pastesOwn
	case waitsOnly(inv) && e.k.looking():
		return waits
	case helps(inv):
		return helping
	}
	return forAll
}

// private does a command that is about the person's own look back or mouse, and
// reports whether it is one.
func (e *errand) private(ctx context.Context, inv *tmux.Invocation) (bool, error) {
	switch e.privacy(inv) {
	case looksOn:
		if inv.Has('q') {
			return true, e.k.leaveLook(ctx)
		}
		if e.k.looking() {
			return true, e.k.look.again(ctx, inv)
		}
		return true, e.lookBack(ctx, inv)
	case keysIn:
		if !e.k.looking() {
			return true, errors.New("you do not look back at anything")
		}
		if e.mouse != nil && len(inv.Args) == 1 && inv.Args[0] == "begin-selection" {
			return true, e.k.look.drag(e.mouse.Mouse)
		}
		return true, e.k.look.keys(ctx, inv)
	case reports:
		return true, e.passOn(ctx)
	case goes:
		return true, e.goes(ctx, inv)
	case stays:
		return true, errors.New("you are at a place of your own in this session; attach to the other one")
	case pastesOwn:
		return true, e.k.paste(ctx, inv)
	case helping:
		return true, e.help(ctx)
	case picking:
		return true, e.pick(ctx, inv)
	case selected, waits:
		return true, nil // it is so already
	}
	return false, nil
}

// looksBack: copy-mode of the pane that is current. A pane that others see, too,
// is never put into the mode for somebody who only looks.
func looksBack(inv *tmux.Invocation) bool {
	return inv.Row.Name == "copy-mode" && !inv.Has('s') && !inv.Has('t')
}

// inMode: keys that are commands of copy mode, or say how often the next one is
// done.
func inMode(inv *tmux.Invocation) bool {
	return inv.Row.Name == "send-keys" && !inv.Has('t') && (inv.Has('X') || inv.Has('N') && len(inv.Args) == 0)
}

// waitsOnly: what bindings of tmux's own have between a selection and its copy,
// for it to be seen.
func waitsOnly(inv *tmux.Invocation) bool {
	return inv.Row.Name == "run-shell" && len(inv.Args) == 0
}

// again is copy-mode for somebody who looks back already.
func (l *lookback) again(ctx context.Context, inv *tmux.Invocation) error {
	if inv.Has('u') {
		return l.do(ctx, "page-up", 1, "")
	}
	return nil
}

// keys does what send-keys -X says.
func (l *lookback) keys(ctx context.Context, inv *tmux.Invocation) error {
	if n, ok := inv.Get('N'); ok {
		count, err := strconv.Atoi(n)
		if err != nil || count < 1 {
			return errors.New("the repeat count is not a number above 0")
		}
		l.count = count
	}
	if !inv.Has('X') || len(inv.Args) == 0 {
		return nil
	}
	count := l.count
	l.count = 1
	args := make([]string, len(inv.Args))
	for i, arg := range inv.Args {
		args[i] = arg
		if inv.Has('F') {
			var ok bool
			if args[i], ok = l.expand(arg); !ok {
				return errors.New("formats are not expanded while you look back for yourself")
			}
		}
	}
	if strings.Contains(args[0], "pipe") { // what it is piped to is not run
		args = args[:1]
	}
	name, arg := args[0], ""
	if args = args[1:]; len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) > 0 {
		arg = args[0]
	}
	return l.do(ctx, name, count, arg)
}

// expand answers the formats that are about what the person looks at.
func (l *lookback) expand(arg string) (string, bool) {
	switch arg {
	case "#{copy_cursor_word}":
		return l.view.CursorWord(), true
	case "#{copy_cursor_line}":
		return l.view.CursorLine(), true
	case "#{pane_search_string}":
		return l.view.Searched(), true
	}
	return arg, !strings.Contains(arg, "#")
}

// pastes: paste-buffer of somebody who has copied something for themselves.
func (k *keyboard) pastes(inv *tmux.Invocation) bool {
	return inv.Row.Name == "paste-buffer" && k.copied != "" && !inv.Has('b') && !inv.Has('t') && !inv.Has('d')
}

// paste types what the person has copied, as a paste of theirs.
func (k *keyboard) paste(ctx context.Context, inv *tmux.Invocation) error {
	if err := k.leaveLook(ctx); err != nil {
		return err
	}
	return k.s.att.Type(attach.Event{Kind: attach.Paste, Bytes: []byte(pasted(inv, k.copied))})
}

// pasted is a text as paste-buffer types it: with the key that ends a line, or
// what the command says, between lines.
func pasted(inv *tmux.Invocation, text string) string {
	between := "\r"
	if inv.Has('r') {
		between = "\n"
	}
	if s, ok := inv.Get('s'); ok {
		between = s
	}
	return strings.ReplaceAll(text, "\n", between)
}
