package attack

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol may type into a shell of alice's, as an agent does. She asks for more, and has
// alice's shell say yes to it, also by a program that leaves the pane, or give it to her. She presses there, too, what alice
// would press in her own display. In the control run every hand is alice's.
func TestAP02ForgedByAPane(t *testing.T) {
	t.Parallel()
	const hands = standardGrants + `  - {who: mwcarol, role: typist, on: "mwalice/hand:0.0", reason: types there}
  - {who: mwcarol, role: viewer, on: mwalice/hand, reason: looks}
`
	row{grants: hands, settings: "answer_key: true\n", teeth: "teeth_hand", restless: true, gains: 3, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		w.Must(owner, "new-session", "-d", "-x", "200", "-y", "50", "-s", "hand", "exec sh")
		wide := tmuxtest.TerminalConfig{Cols: 200, Rows: 50}
		alice := w.attach(owner, wide, "attach", "-t", "hand")
		alice.WaitFor("[hand]")
		x := w.attach(carol, wide, "attach", "-t", "mwalice/hand")
		x.WaitFor("[hand]")
		id := a.ask(carol, "type", "-t", "mwalice/shared:0.1")
		say := func(by, line, word string) {
			w.t.Helper()
			x.Type("clear; MUXWARD_STATE=" + w.State + " " + by + " sh -c '" + w.Bin() + " " + line + "; echo " + word + "\"-\"$?'\r")
			x.WaitFor(word + "-")
			if x.Contains(word + "-0") {
				w.gain("from alice's pane: %s %s", by, line)
			}
		}
		left := a.ask(carol, "copy", "-t", "mwalice/shared:0.1")
		say("setsid -f", "approve "+left, "left") // the pane's terminal, and its shell
		if !w.control && !x.Contains("nobody can tell whose hand it was") {
			w.t.Errorf("she is not told why:\n%s", strings.Join(x.Screen(), "\n"))
		}
		say("", "approve "+id, "approved")
		if !w.control && !x.Contains("in a terminal of your own") {
			w.t.Errorf("she is not told where to answer:\n%s", strings.Join(x.Screen(), "\n"))
		}
		say("", "grant mwcarol typist -t shared", "granted")
		if !w.control && !x.Contains("It waits 10m0s for your own hand") {
			w.t.Errorf("it does not wait for alice:\n%s", strings.Join(x.Screen(), "\n"))
		}
		x.Type("clear\r\x1ba\x1bay")
		x.Type("\r echo behind'-'it\r")
		x.WaitFor("behind-it")
		if alice.Contains("ask for your answer") {
			w.t.Errorf("alice's list was opened by a pane:\n%s", strings.Join(alice.Screen(), "\n"))
		}
		if a.types(carol, "mwalice/shared:0.1") != w.control {
			w.t.Errorf("carol types: %v", !w.control)
		}
		if w.control {
			return
		}
		// Alice herself does, by a key in her own display.
		tmuxtest.Eventually(w.t, func() bool {
			if alice.Contains("ask for your answer") {
				return true
			}
			alice.Type("\x1ba")
			return false
		}, "alice's own key opens the list")
		alice.WaitFor("y approves") // once she has paused
		alice.Type("y")
		tmuxtest.Eventually(w.t, func() bool { return a.types(carol, "mwalice/shared:0.1") }, "alice's own yes counts")
		if r := w.Muxward(owner, "grants", "--json"); strings.Contains(r.Out, `"command line"`) {
			w.gain("what was asked from alice's pane is given: %s", r.Out)
		}
	}}.run(t)
}

// Carol has alice's shell open another display of alice's, in the pane that she types into, and presses there what
// alice would press in her own: the list of who asks for what, and yes. In the control run it is alice's hand.
func TestAP02NestedDisplay(t *testing.T) {
	t.Parallel()
	const hands = standardGrants + `  - {who: mwcarol, role: typist, on: "mwalice/hand:0.0", reason: types there}
  - {who: mwcarol, role: viewer, on: mwalice/hand, reason: looks}
`
	row{grants: hands, settings: "answer_key: true\n", teeth: "teeth_hand", restless: true, gains: 1, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		w.Must(owner, "new-session", "-d", "-x", "200", "-y", "50", "-s", "hand", "exec sh")
		x := w.attach(carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/hand")
		x.WaitFor("[hand]")
		a.ask(carol, "type", "-t", "mwalice/shared:0.1")
		x.Type("clear; env -u TMUX -u TMUX_PANE TMUX_TMPDIR=" + w.Doors + " tmux attach -t shared\r")
		x.WaitFor("recording")                            // what the panes of that say
		defer w.Must(owner, "kill-session", "-t", "hand") // and that display with it
		if w.control {
			tmuxtest.Eventually(w.t, func() bool {
				if x.Contains("ask for your answer") {
					return true
				}
				x.Type("\x1ba")
				return false
			}, "the key opens the list")
			for range 10 { // once she has paused it counts
				if within(2*time.Second, func() bool { return a.types(carol, "mwalice/shared:0.1") }) {
					w.gain("carol types, by a yes from alice's pane")
					return
				}
				x.Type("y")
			}
			return
		}
		x.Type("\x1ba\x1bay")
		x.Type("behind-it")
		tmuxtest.Eventually(w.t, func() bool { return bytes.Contains(w.rec.Bytes(), []byte("behind-it")) }, "it is in the session that this display shows")
		if x.Contains("ask for your answer") || a.types(carol, "mwalice/shared:0.1") {
			w.gain("a display in alice's pane answers for alice:\n%s", strings.Join(x.Screen(), "\n"))
		}
	}}.run(t)
}
