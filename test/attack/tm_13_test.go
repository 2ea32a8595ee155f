package attack

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol may type into one pane. The owner's keys do more than that: they run
// programs, type elsewhere, close, bind, and do so by way of blocks, choices,
// questions and prompts. She presses each, and answers what she is asked. She
// wants one of them to do for her what it does for the owner. It does what she
// may do, which is to type into that pane, and she is told the rest.
func TestTM13BoundKeys(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", gains: 3, attack: func(w *world) {
		lure, b := w.lure(), w.b
		bound := [][]string{
			{"run-shell", lure}, {"run-shell", "-b", lure}, {"send-keys", "-l", "half", ";", "run-shell", lure}, {"send-keys -l half ; run-shell '" + lure + "'"},
			{"if-shell", "-F", "1", "run-shell '" + lure + "'"}, {"if-shell", "-F", "0", "send-keys x", "run-shell '" + lure + "'"}, {"if-shell", lure, "send-keys -l no"}, {"if-shell", "-F", "#(" + lure + ")", "send-keys -l no"},
			{"if-shell", "-F", "#{S:#{?#{==:#{session_name},secret},1,}}", "send-keys -l no", "display-message shared"}, {"if-shell", "-F", "1", "if-shell -F 1 \"if-shell -F 1 { run-shell '" + lure + "' }\""},
			{"confirm-before", "run-shell '" + lure + "'"}, {"confirm-before", "-p", "#(" + lure + ")", "kill-server"}, {"confirm-before", "-b", "kill-pane -t " + b}, {"confirm-before", "confirm-before 'send-keys -t " + b + " x'"}, {"confirm-before", "-t", "x", "kill-server"},
			{"command-prompt", "-p", "x", "run-shell '" + lure + "'"}, {"command-prompt"}, {"command-prompt", "-p", "#(" + lure + ")", "-I", "#(" + lure + ")", "send-keys -t " + b + " -l '%%'"}, {"command-prompt", "-k", "run-shell '" + lure + "'"}, {"display-menu", "item", "y", "run-shell '" + lure + "'"}, {"display-popup", "-E", lure}, {"display-panes"}, {"choose-tree"}, {"customize-mode"}, {"copy-mode"},
			{"send-keys", "-t", b, "-l", "over there"}, {"send-keys", "-X", "copy-pipe", lure}, {"send-prefix", "-t", b}, {"select-pane", "-t", b}, {"kill-pane", "-t", b}, {"kill-session"}, {"detach-client", "-a"}, {"detach-client", "-E", lure},
			{"bind-key", "-n", "F1", "run-shell", lure}, {"set-option", "-g", "status-left", "#(" + lure + ")"}, {"set-hook", "-g", "after-send-keys", "run-shell '" + lure + "'"}, {"source-file", "/dev/null"}, {"pipe-pane", lure},
			{"switch-client", "-t", "secret"}, {"switch-client", "-n"}, {"attach-session", "-t", "secret"}, {"new-session", "-A", "-s", "secret"}, {"new-window", lure}, {"split-window", lure}, {"respawn-pane", "-k", lure},
			{"display-message", "#(" + lure + ")"}, {"display-message", "-p", "#{S:#{session_name}}"}, {"capture-pane", "-p", "-t", "secret"}, {"show-buffer"}, {"paste-buffer"}, {"save-buffer", w.canary + "/buffer"}, {"link-window", "-s", "secret:0"},
			{"resize-window", "-x", "20"}, {"rename-session", "hers"}, {"set-environment", "-g", "LD_PRELOAD", "/x"}, {"lock-server"}, {"clear-history"},
		}
		old := strings.HasPrefix(w.server.Run("display-message", "-p", "#{version}"), "3.2")
		for i, words := range bound {
			if old && slices.Equal(words[:min(2, len(words))], []string{"confirm-before", "-b"}) {
				bound[i] = []string{"confirm-before", words[2]} // it has no -b
				words = bound[i]
			}
			w.server.Run(append([]string{"bind-key", "-T", "prefix", keyOf(i)}, escaped(words)...)...)
		}
		w.source("bind-key -T prefix & { run-shell '" + lure + "' }\nbind-key -T prefix % { if-shell -F 1 { send-keys -l half\n run-shell '" + lure + "' } }\n")
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		if w.control {
			x.Type("\x02&\x02%")
		} else {
			w.told(x, []string{"block"}, "\x02&")
			w.told(x, []string{"if-shell"}, "\x02%")
		}
		for i := range bound {
			if !w.control && bound[i][0] == "copy-mode" {
				w.looksBack(x, "\x02"+keyOf(i), "\x02"+keyOf(i+2)) // which pipes
			} else if !w.control && bound[i][0] == "choose-tree" { // it is hers, among what she may see
				w.over(x, "\x02"+keyOf(i), "where to?")
			} else if !w.control {
				w.told(x, bound[i], "\x02"+keyOf(i))
			} else if quiet(bound[i][0]) { // else nothing would come to what follows
				x.Type("\x02" + keyOf(i))
			}
		}
		if w.control {
			soonIf(true, func() bool { return caught(w) && w.side.Len() > 0 })
			return
		}
		x.Type("\x02d")
		if code := x.ExitCode(); code != 0 {
			w.t.Errorf("carol cannot leave: exit %d:\n%s", code, strings.Join(x.Screen(), "\n"))
		}
		w.baited()
	}}.run(t)
}

// overlaid is a line that muxward shows on a terminal of its own.
var overlaid = regexp.MustCompile(`;1H\x1b\[0;7m (.*?)\x1b\[0m\x1b\[K\x1b8`)

// refusals are how a key is refused: for a right, for what is not there, or for
// what is never a guest's.
var refusals = regexp.MustCompile(`^([a-z-]+: )?(not permitted: \S+ on \S+; ask mwalice|what it is about is not there|what this key is bound to is not read|` +
	`it lists or finds more|you do not look back|your display takes no keys|rights go by|only the owner|-\S is not offered|it is bound with a|a key reaches only the server)`)

// told presses a key and sees that carol is told why it is not for her, before
// anything else happens, and nothing of what it says; where she has to answer
// something first, she does.
func (w *world) told(x *tmuxtest.Terminal, bound []string, key string) {
	w.t.Helper()
	all := strings.Contains(strings.Join(bound, " "), "#{S:") // that she may see
	asked := key != "\r"                                      // she may be asked something first, unless she answers
	may := func(told string) bool {
		return refusals.MatchString(told) || asked && strings.HasSuffix(told, "_") || all && told == "shared"
	}
	after := func(keys string) (told string) {
		from := len(x.Bytes())
		x.Type(keys)
		soon(func() bool {
			// What she was told before may be shown once more first.
			if all := overlaid.FindAllSubmatch(x.Bytes()[from:], -1); all != nil {
				told = strings.TrimSpace(string(all[len(all)-1][1]))
			}
			return may(told) || x.Exited()
		})
		return told
	}
	told := after(key)
	if asked && strings.HasSuffix(told, "_") {
		x.Type("run-shell '" + w.lure() + "'")
		x.WaitFor("caught-$$'_")
		asked = false
		told = after("\r")
	}
	if asked = false; !may(told) || strings.Contains(told, "touch") || strings.Contains(told, "secret") {
		w.t.Errorf("%q: she is told %q", bound, told)
	}
}

// looksBack presses the key of copy-mode, which is hers: she looks back, for
// herself. What another key pipes there is piped nowhere.
func (w *world) looksBack(x *tmuxtest.Terminal, key, pipes string) {
	w.t.Helper()
	x.Type(key)
	x.WaitFor("looking back, for you alone")
	if modes := strings.Trim(w.server.Run("list-panes", "-a", "-F", "#{pane_in_mode}"), "0\n"); modes != "" {
		w.t.Error("a pane is in a mode for her")
	}
	x.Type("\x1b[A\x00\x05" + pipes + "q")
	tmuxtest.Eventually(w.t, func() bool { return !x.Contains("looking back") }, "she is back")
}

// quiet commands ask nothing, and leave her where she is.
func quiet(name string) bool {
	switch name {
	case "run-shell", "if-shell", "send-keys", "select-pane", "bind-key", "set-option", "set-environment":
		return true
	}
	return false
}

// keyOf is a key that is bound to nothing at first, or to what nobody minds.
func keyOf(i int) string {
	const keys = "ABEFGHIJKLNOPQRSTUVWXYZabceghjkopqstuvwxyz0123456789!@$^*_+=|,."
	return keys[i : i+1]
}

// source has the owner's server read command text, and takes it for as it was.
func (w *world) source(text string) {
	w.t.Helper()
	path := w.Base + "/more.conf"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.server.Run("source-file", path)
	w.state = w.server.State()
}

func escaped(words []string) []string {
	out := make([]string, len(words))
	for i, word := range words {
		if out[i] = word; word == ";" {
			out[i] = `\;`
		}
	}
	return out
}

// Carol presses a key while it means what she may do. Before it is done the
// owner gives it another meaning. She wants the decision about the one to be
// taken for the other. What was decided is what is done, and the next time it is
// the new meaning that is decided.
func TestTM13BoundAnewMeanwhile(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", paused: true, restless: true, attack: func(w *world) {
		w.source("bind-key -n F5 send-keys -l hers\n")
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		anew := func() { w.source("bind-key -n F5 run-shell '" + w.lure() + "'\n") }
		if w.control { // undecided, her keys are tmux's, which leaves no moment between
			x.Type("\x1b[15~")
			w.rec.WaitLen(len("hers"))
			anew()
		} else {
			w.between("keyboard-bound", func() { x.Type("\x1b[15~") }, anew)
		}
		w.permit("hers")
		w.rec.WaitLen(len("hers"))
		if caught(w) {
			w.t.Error("what was decided is not what ran")
		}
		x.Type("\x1b[15~x")
		w.permit("x")
		w.rec.WaitLen(len("hersx"))
		w.baited()
	}}.run(t)
}

// Carol is asked whether a key of the owner's may type for her. Meanwhile she
// loses the right to type, and says yes.
func TestTM13AnswerAfterTheRightIsLost(t *testing.T) {
	t.Parallel()
	const less = `grants:
  - {who: mwcarol, role: viewer, on: mwalice/shared, reason: looks}
  - {who: root, role: admin, on: "*", reason: runs it}
`
	row{teeth: "teeth_decide", attack: func(w *world) {
		w.source("bind-key -n F5 confirm-before -p 'type it? (y/n)' 'send-keys -l sure'\n")
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		x.Type("\x1b[15~")
		x.WaitFor("type it? (y/n)")
		w.Reload("grants.yaml", less)
		x.Type("y")
		if w.control {
			soonIf(true, func() bool { return w.rec.Len() > 0 })
			return
		}
		x.WaitTold("not permitted: type on pane; ask mwalice")
	}}.run(t)
}

// Carol finds a server with so many key bindings that none is read, and one
// whose keys are bound to most of a megabyte, or to more commands than anybody has. She
// wants muxward to be busy with it, or to take a key for what it was before. Nothing
// is done, nobody waits, and she can type and leave.
func TestTM13MoreBindingsThanAnybodyHas(t *testing.T) {
	t.Parallel()
	row{conf: "set -g assume-paste-time 0\n", teeth: "teeth_decide", restless: true, attack: func(w *world) {
		w.source("bind-key -n F6 send-keys -l '" + strings.Repeat("x", 400<<10) + "' \\; run-shell '" + w.lure() + "'\n" +
			"bind-key -n F5 run-shell '" + w.lure() + "'\nbind-key -n F7 send-keys -l before\n" +
			"bind-key -n F8 '" + strings.Repeat("send-keys -l many ; ", 100) + "send-keys -l many'\n")
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		x.Type("\x1b[15~\x1b[17~")
		if !w.control {
			x.WaitTold("not permitted: execute on server")
		}
		soonIf(w.control, func() bool { return caught(w) })
		if !w.control {
			x.Type("\x1b[19~")
			x.WaitTold("what this key is bound to is not read here")
		}
		var many strings.Builder
		for i := range 4 {
			many.WriteString("bind-key -T t " + keyOf(i) + " send-keys -l '" + strings.Repeat("y", 400<<10) + "'\n")
		}
		w.source(many.String())
		x.Type("\x1b[18~")
		if !w.control { // it may be bound to something else by now
			x.WaitTold("key bindings cannot be looked up")
		}
		x.Type("x")
		w.permit("x")
		w.rec.WaitLen(1)
		x.Type("\x02d")
		if code := x.ExitCode(); code != 0 {
			w.t.Errorf("carol cannot leave: exit %d:\n%s", code, strings.Join(x.Screen(), "\n"))
		}
	}}.run(t)
}
