package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// over has an attacker press a key by which muxward draws a list over their
// display, look through all of it and search it for the mark, and leave it.
func (w *world) over(x *tmuxtest.Terminal, key, shows string) {
	w.t.Helper()
	x.Type(key)
	if w.control { // whatever it is there: help by tmux, it may be
		soonIf(true, func() bool { return x.Contains(shows) || x.Contains("C-b C-b ") })
	} else {
		x.WaitFor(shows)
	}
	for _, keys := range []string{"G", "g", "/MARK", "\x15\x1b[B", "\x15secret"} {
		x.Type(keys)
	}
	if !w.control {
		x.WaitFor("/secret_")
	}
	x.Type("\r")
	x.Type("\x07")
	if !w.control {
		x.WaitFor("recording")
	}
}

// Bob may look at one session. By what lists where he could go he wants to learn
// what others there are, what their windows are called, and who is at them: by
// each command that lists them, by typing what they might be called, and by going
// to what is not on the list. He learns of his own, and of nobody else.
func TestTM06ListsOfWhereToGo(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwmallory, role: viewer, on: mwalice/secret, reason: is there}\n"
	row{grants: sees, teeth: "teeth_visible,teeth_looked", restless: true, attack: func(w *world) {
		for key, words := range map[string][]string{
			"F5": {"choose-tree"}, "F6": {"choose-tree", "-Zs"}, "F7": {"choose-tree", "-w", "-N"}, "F8": {"switch-client"},
			"F9": {"confirm-before", "-p", "sure? (y/n)", "choose-tree -w"},
		} {
			w.server.Run(append([]string{"bind-key", "-n", key}, words...)...)
		}
		there := w.Terminal(stranger, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/secret")
		there.WaitFor(w.mark)
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		for _, key := range []string{"\x02w", "\x02s", "\x1b[15~", "\x1b[17~", "\x1b[18~", "\x1b[19~", "\x1b[20~y", "\x02:choose-tree\r", "\x02:choose-window\r", "\x02:switch-client\r"} {
			w.over(x, key, "where to?")
			if strings.Contains(string(x.Bytes()), stranger) {
				w.gain("he learns who is at the session that he may not see")
			}
			if w.control && len(w.gains) > 0 {
				return
			}
		}
		there.Type("\x02d")
		there.ExitCode()
	}}.run(t)
}

// Bob may look at one session, and at one window of another, at which somebody else
// looks. He wants to learn who that is. He is told who is where he may look, and that
// there is the other session.
func TestTM06WhoIsAtAPart(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwmallory, role: viewer, on: mwalice/secret, reason: is there}\n" +
		"  - {who: mwbob, role: viewer, on: 'mwalice/secret:1', reason: looks at a part}\n"
	row{grants: sees, teeth: "teeth_visible,teeth_looked", restless: true, attack: func(w *world) {
		w.server.Run("new-window", "-d", "-t", "secret:1", "-n", "part", "echo a-part; exec cat")
		there := w.Terminal(stranger, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/secret")
		there.WaitFor(w.mark)
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		for _, key := range []string{"w", "s"} {
			x.Type("\x02" + key)
			x.WaitFor("where to?")
			x.WaitFor("secret: ")
			if strings.Contains(string(x.Bytes()), stranger) {
				w.gain("he learns who is at the session of which he may see a part")
				break
			}
			x.Type("q")
			x.WaitFor("recording")
		}
		there.Type("\x02d")
		there.ExitCode()
	}}.run(t)
}

// The owner has keys that go to what bob may not see, or do what he may not, with
// notes that say so. By what lists keys he wants to read them. He is told of the
// keys that are his to press.
func TestTM06HelpOnWhatIsRefused(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", attack: func(w *world) {
		for key, words := range map[string][]string{
			"A": {"switch-client", "-t", "secret"}, "E": {"if-shell", "-F", "1", "switch-client -t secret"}, "F": {"confirm-before", "kill-session -t secret"},
			"G": {"command-prompt", "-p", "x", "run-shell '" + w.lure() + "'"}, "H": {"next-window", ";", "switch-client", "-t", "secret"},
			"I": {"send-keys", "-t", w.b, "x"}, "J": {"capture-pane", "-p", "-t", "secret"}, "K": {"send-keys", "-X", "page-up"}, "N": {"select-window", "-t", "secret:" + w.mark + "w"},
			"O": {"choose-tree", "-F", "#{session_name}"}, "P": {"run-shell", w.lure()},
		} {
			w.server.Run(append([]string{"bind-key", "-N", w.mark + " by " + key, key}, escaped(words)...)...)
		}
		w.server.Run("bind-key", "-T", w.mark, "x", "switch-client", "-t", "secret")
		w.server.Run("bind-key", "-T", "root", "F5", "list-keys", "-T", "prefix")
		w.state = w.server.State()
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		for _, key := range []string{"\x02?", "\x1b[15~", "\x02:list-keys\r", "\x02:list-keys -N A\r"} {
			w.over(x, key, "for mwbob: view")
		}
		if w.control {
			x.Type("\x02?G")
			soonIf(true, func() bool { return strings.Contains(string(x.Bytes()), w.mark) })
		}
		w.baited()
	}}.run(t)
}

// The owner has called windows, and wrote notes of keys, in ways that want to be more
// than text: to set bob's clipboard and title, to clear his screen, and to turn
// around what is written beside them. In bob's lists they are text.
func TestTM06NamesThatAreMore(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_seen", restless: true, attack: func(w *world) {
		const evil = "\x1b]52;c;ZXZpbA==\x07\x1b]0;evil\x07\x1b[2J\u202eevil\n\x1b[5mnext"
		w.server.Run("bind-key", "-N", "all "+evil, "F5", "detach-client")
		w.server.Run("new-window", "-d", "-t", "shared:7", "-n", "w\u202eevil\u2066", "exec cat")
		w.server.Run("set-option", "-g", "status-right", "")
		w.server.Run("set-option", "-g", "window-status-format", "")
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		from := len(x.Bytes())
		x.Type("\x02w")
		x.WaitFor("where to?")
		x.Type("q")
		x.WaitFor("recording")
		x.Type("\x02?")
		does := func() bool {
			shown := string(x.Bytes()[from:])
			for _, part := range []string{"\u202e", "\u2066", "\x1b]52", "\x1b]0;", "\x1b[5m"} {
				if strings.Contains(shown, part) {
					return true
				}
			}
			return false
		}
		if w.control {
			soonIf(true, does)
		} else {
			x.WaitFor("for mwbob: view")
			x.Type("/evil")
			// Between these is a question mark for each control character, or what tmux
			// itself prints for one (3.4, 3.5).
			for _, part := range []string{"all ", "]52;c;ZXZpbA==", "]0;evil", "[2J?evil"} {
				x.WaitFor(part)
			}
			x.Type("\x07")
			x.WaitFor("recording")
		}
		if does() {
			w.gain("a name does something to his terminal")
		}
	}}.run(t)
}

// Bob asks where he could go while he may see two sessions. Before he is shown
// anything one is taken from him. When that has returned, nothing of it is shown.
func TestTM06ListTakenBack(t *testing.T) {
	t.Parallel()
	both := standardGrants + "  - {who: mwbob, role: viewer, on: mwalice/secret, reason: sees}\n"
	row{grants: both, teeth: "teeth_looked", paused: true, restless: true, attack: func(w *world) {
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		w.between("seat-sheet", func() { x.Type("\x02w") }, func() { w.Reload("grants.yaml", standardGrants) })
		if w.control {
			soonIf(true, func() bool { return x.Contains(w.mark) })
			return
		}
		x.WaitTold("not permitted: view on pane")
		x.Type("\x02w")
		x.WaitFor("where to?")
		x.Type("q\x02d")
		x.ExitCode()
	}}.run(t)
}

// Bob has a list open that names a window of a session which is taken from him, and
// goes on pressing keys. Once he has been told so nothing of the list is shown to him:
// not by his keys, nor by a new size.
func TestTM06ListOpen(t *testing.T) {
	t.Parallel()
	both := standardGrants + "  - {who: mwbob, role: viewer, on: mwalice/later, reason: sees}\n"
	row{grants: both, teeth: "teeth_looked", restless: true, attack: func(w *world) {
		w.server.Run("new-session", "-d", "-s", "later", "-n", "kept-here", "exec cat")
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		x.Type("\x02w")
		x.WaitFor("kept-here")
		w.Reload("grants.yaml", standardGrants)
		from := len(x.Bytes())
		shown := func() bool { return strings.Contains(string(x.Bytes()[from:]), "kept-here") }
		if w.control {
			x.Type("j")
			soonIf(true, shown)
		} else {
			const told = "not for you to see any more"
			x.WaitFor(told)
			from = strings.Index(string(x.Bytes()), told) // what is before that had left for him
			x.Type("j/kept")
			x.WaitTold("the list is not shown any more")
			x.Resize(90, 30)
			w.server.Run("detach-client", "-s", "shared")
			x.ExitCode()
		}
		if shown() {
			w.gain("the list is shown to him after it was taken")
		}
	}}.run(t)
}
