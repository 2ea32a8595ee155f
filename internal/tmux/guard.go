package tmux

import (
	"fmt"
	"strconv"
	"strings"
)

// Place is where a decision was made about a pane. Set HasWindow, and with it
// HasSession, for the parts that the decision rests on; others are not tested.
type Place struct {
	Pane       PaneID
	Window     WindowID
	HasWindow  bool
	Session    SessionID
	HasSession bool
	// Others means that the decision rests on other panes being in the window,
	// Active that it rests on the pane being the active one there.
	Others, Active bool
	// Living means that the pane's program must be running, as for what is pasted.
	Living bool
	// Program means that the pane's program must be this process, 0 for any: another one
	// has not been asked for what was meant for this.
	Program int
	// Hearing means that its program is running and hears what is typed: that the pane's
	// input is not switched off.
	Hearing bool
	// Seen means that no other pane fills the window, and SeenBy is the client besides that
	// has to show the pane, "" for none.
	Seen   bool
	SeenBy string
	// Named means that each of the commands names the pane by the ids of session,
	// window and pane, so that tmux fails it where the pane does not lie there: only
	// what a target cannot say is tested beside that.
	Named bool
	// Watched are clients of which one at least has to show the pane; none: nobody has to.
	Watched []string
	// Mouse means that it rests on the program in the pane having asked for the
	// mouse, in this form.
	Mouse MouseForm
}

// MouseForm is how a program hears of the mouse.
type MouseForm uint8

// The forms; the zero one is none.
const (
	MouseUnasked MouseForm = iota
	MousePlain             // with a byte for each number
	MouseSGR               // with digits
)

func (f MouseForm) tests() []string {
	if f == MouseUnasked {
		return nil
	}
	sgr := "0"
	if f == MouseSGR {
		sgr = "1"
	}
	return []string{"#{==:#{mouse_any_flag},1}", "#{==:#{mouse_sgr_flag}," + sgr + "}"}
}

// Guarded wraps commands about one pane into one command that tests, inside
// tmux and at the moment of execution, that the pane is still where it was
// when the decision was made, that it is in no mode (bytes sent to a pane in a
// mode are commands to that mode, not input to its program) and that what is
// typed there is not passed on to other panes (synchronize-panes): the decision
// was about one pane. If not, the commands do not run and refusal is printed
// instead, as one line; of a pane that is synchronized, with [Synchronized]
// after it.
//
// The result is the words of one command, for [QuoteControl] or, with
// [EscapeArg], for an argument vector. Each command is words as of
// [Invocation.WordsFor] and must name its target by id itself. refusal must be
// a plain token, since tmux expands what it prints.
func Guarded(at Place, commands [][]string, refusal string, opts ParseOptions) ([]string, error) {
	return GuardedOr(at, commands, nil, refusal, opts)
}

// GuardedOr is [Guarded], with commands that run when the refusal is printed.
func GuardedOr(at Place, commands, refused [][]string, refusal string, opts ParseOptions) ([]string, error) {
	return guarded(at, commands, refused, refusal, "#{?pane_synchronized,"+Synchronized+",}", opts,
		value{"pane_in_mode", "0"}, value{"pane_synchronized", "0"})
}

// Synchronized ends the refusal of a pane whose input goes to others too.
const Synchronized = "-synchronized"

// Unwatched ends the refusal of a pane that none of [Place.Watched] shows.
const Unwatched = "-unwatched"

// Unseen ends the refusal of a pane that [Place.SeenBy] is not shown, or that another one
// hides.
const Unseen = "-unseen"

// GuardedInMode is [Guarded] without the tests for input, for commands that do
// not send input (such as kill-pane) or are meant for a mode.
func GuardedInMode(at Place, commands [][]string, refusal string, opts ParseOptions) ([]string, error) {
	return guarded(at, commands, nil, refusal, "", opts)
}

// guarded makes the command; more is a format for what is printed after the
// refusal.
func guarded(at Place, commands, refused [][]string, refusal, more string, opts ParseOptions, values ...value) ([]string, error) {
	if !isToken(refusal) {
		return nil, fmt.Errorf("refusal token %.40q: want letters, digits and dashes only", refusal)
	}
	if len(commands) == 0 {
		return nil, fmt.Errorf("no command to guard")
	}
	branch, ok := SpellCommand("if-shell", opts)
	display, ok2 := SpellCommand("display-message", opts)
	if !ok || !ok2 {
		return nil, fmt.Errorf("this server's command-alias option hides if-shell or display-message: take that alias away")
	}
	if at.Named {
		if err := allName(at, commands); err != nil {
			return nil, err
		}
	}
	do, err := QuoteLine(commands)
	if err != nil {
		return nil, err
	}
	watched, seen, why, err := at.eyes()
	if err != nil {
		return nil, err
	}
	more += why
	refuse := display + " -p -t " + at.Pane.String() + " '" + refusal + more + "'"
	if len(refused) > 0 {
		instead, err := QuoteLine(refused)
		if err != nil {
			return nil, err
		}
		refuse += " ; " + instead
	}
	// Looked up by its id, a pane has exactly one window. A pane that is gone
	// fails the look-up quietly, and then another pane's id is reported.
	values = append(values, value{"pane_id", at.Pane.String()})
	if at.HasWindow {
		values = append(values, value{"window_id", at.Window.String()})
	}
	if at.Active {
		values = append(values, value{"pane_active", "1"})
	}
	if at.Program != 0 {
		values = append(values, value{"pane_pid", strconv.Itoa(at.Program)})
	}
	if at.Hearing {
		values = append(values, value{"pane_input_off", "0"})
	}
	tests := []string{are(values)}
	if at.Living || at.Hearing {
		tests = append(tests, "#{!=:#{pane_dead},1}")
	}
	if at.Others {
		tests = append(tests, "#{!=:#{window_panes},1}")
	}
	tests = append(tests, at.Mouse.tests()...)
	tests = append(tests, watched, seen)
	words := []string{branch, "-F", "-t", at.Pane.String(), all(heeded(tests)), do, refuse}
	if !at.HasSession || !at.HasWindow || at.Named {
		return words, nil
	}
	// Looked up by session and window id, the window is reported only if it is
	// linked into that session; if not, the session's current window is.
	inner, err := QuoteControl(words)
	if err != nil {
		return nil, err
	}
	target := at.Session.String() + ":" + at.Window.String()
	linked := all(heeded([]string{are([]value{{"session_id", at.Session.String()}, {"window_id", at.Window.String()}})}))
	return []string{branch, "-F", "-t", target, linked, inner, refuse}, nil
}

// showing is a format that is 1 if one of the clients shows the pane: its session is at
// the pane's window, and the window is not zoomed on another pane. It is "" for none.
func showing(clients []string) (string, error) {
	if len(clients) == 0 {
		return "", nil
	}
	either := ""
	for _, name := range clients {
		if !isPath(name) {
			return "", fmt.Errorf("the client %.40q has no name that can be asked for", name)
		}
		one := "#{m:*#," + name + "#,*,#,#{window_active_clients_list}#,}"
		if either == "" {
			either = one
		} else {
			either = "#{||:" + either + "," + one + "}"
		}
	}
	return "#{&&:" + unhidden + "," + either + "}", nil
}

// unhidden is a format that is 1 if no other pane fills the window.
const unhidden = "#{?window_zoomed_flag,#{pane_active},1}"

// eyes are the formats of who has to show the pane, and what a refusal says of them.
func (at Place) eyes() (watched, seen, why string, err error) {
	if watched, err = showing(at.Watched); err != nil {
		return "", "", "", err
	}
	if seen, err = at.seen(); err != nil {
		return "", "", "", err
	}
	if watched != "" {
		why += "#{?" + watched + ",," + Unwatched + "}"
	}
	if seen != "" {
		why += "#{?" + seen + ",," + Unseen + "}"
	}
	return watched, seen, why, nil
}

// seen is a format that is 1 if the pane is seen as [Place.Seen] and SeenBy say, "" if it
// need not be.
func (at Place) seen() (string, error) {
	switch {
	case at.SeenBy != "":
		return showing([]string{at.SeenBy})
	case at.Seen:
		return unhidden, nil
	}
	return "", nil
}

// isPath reports whether a name is one of a terminal, and means itself in a format and
// in a pattern.
func isPath(s string) bool {
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '/' && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return strings.HasPrefix(s, "/")
}

// allName checks the promise of [Place.Named].
func allName(at Place, commands [][]string) error {
	if !at.HasSession || !at.HasWindow {
		return fmt.Errorf("a place without session and window cannot be named; this is a fault of muxward")
	}
	target := at.Session.String() + ":" + at.Window.String() + "." + at.Pane.String()
	for _, words := range commands {
		named := false
		for i, word := range words[:max(len(words)-1, 0)] {
			if word == "-t" {
				if named = words[i+1] == target; !named {
					break
				}
			}
		}
		if !named {
			return fmt.Errorf("the command %.40q does not name the pane it is for; this is a fault of muxward", words)
		}
	}
	return nil
}

// value is what a variable has to be: both are numbers or ids.
type value struct{ variable, is string }

// are is a format that is 1 if all variables have these values. It is one
// comparison: each that tmux makes costs it as much as the values.
func are(values []value) string {
	var have, want []string
	for _, v := range values {
		have, want = append(have, "#{"+v.variable+"}"), append(want, v.is)
	}
	return "#{==:" + strings.Join(have, " ") + "," + strings.Join(want, " ") + "}"
}

// all is a format that is 1 if all of the tests are. They hold nothing but
// variables and numbers.
func all(tests []string) string {
	both := ""
	for _, t := range tests {
		switch {
		case t == "":
		case both == "":
			both = t
		default:
			both = "#{&&:" + both + "," + t + "}"
		}
	}
	return both
}

func isToken(s string) bool {
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return s != ""
}
