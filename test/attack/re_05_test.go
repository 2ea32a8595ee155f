package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// turned is what turns the direction of writing: a guest is never shown it.
const turned = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"

// crooked is text whose width is not what it looks like.
func crooked() []string {
	return []string{
		"tabs\tand\t\ttabs\tx",
		strings.Repeat("-", 79) + "\u6f22",                 // a wide character that has one column left
		strings.Repeat("-", 78) + "\u6f22" + "\u6f22after", // and one that just fits
		"e" + strings.Repeat("\u0301", 1000) + "x",
		"\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family \U0001f1e9\U0001f1ea flag \U0001f44d\U0001f3fd tone \u2764\ufe0f heart",
		"zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffmark\u00adhyphen",
		"\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 right to left",
		"invoice \u202egpj.exe\u202c and \u2067isolated\u2069 end",
		"\u1112\u1161\u11ab\u1100\u1173\u11af conjoining \u0e01\u0e33 thai \uff21\uff22 wide",
		"\u0915\u094d\u0937 devanagari \ud7b0 \u2500\u2502\u250c lines \u00b7",
	}
}

// A program prints what is wider or narrower than it looks, joins, combines a
// thousand times, turns the direction of writing, or stands half over the edge. Its
// author wants guests to see something else than the owner does, cell for cell, or
// names that read backwards.
func TestRE05TheSameCells(t *testing.T) {
	t.Parallel()
	row{restless: true, attack: func(w *world) {
		file := filepath.Join(tmuxtest.Dir(w.t, tmuxtest.Account{}), "crooked")
		if err := os.WriteFile(file, []byte(strings.Join(crooked(), "\n")+"\nEND\n"), 0o644); err != nil {
			w.t.Fatal(err)
		}
		pane := w.server.Run("new-window", "-d", "-t", "shared:5", "-n", "in\u202evoice", "-P", "-F", "#{pane_id}",
			"stty -echo; cat "+file+"; while read l; do clear; cat "+file+"; echo $l; done")
		tmuxtest.Eventually(w.t, func() bool { return strings.Contains(w.server.Run("capture-pane", "-p", "-t", pane), "END") }, "it is printed")
		w.server.Run("select-window", "-t", "shared:5")
		alice := w.attach(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
		alice.WaitFor("END")
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		bob.WaitFor("END")
		w.same(alice, bob, "attached")
		if w.control {
			bob.Pause() // he is left behind
		}
		w.Must(owner, "send-keys", "-t", pane, "AGAIN", "Enter")
		alice.WaitFor("AGAIN")
		if !w.control {
			bob.WaitFor("AGAIN")
		}
		w.same(alice, bob, "printed anew")
		if w.control {
			bob.Resume()
			return
		}
		if bytes := string(bob.Bytes()); strings.ContainsAny(bytes, turned[:27]) {
			w.t.Errorf("bob is shown what turns the direction of writing: %q", clip([]byte(bytes)))
		}
		for _, args := range [][]string{{"list-windows", "-t", "mwalice/shared"}, {"display-message", "-p", "-t", "mwalice/shared:5", "#{window_name}"}} {
			if r := w.try(viewer, args...); r.Code != 0 || strings.ContainsAny(r.Out, turned) {
				w.t.Errorf("%q: %+v", args, r)
			}
		}
	}}.run(t)
}

// same compares what two people see. What muxward keeps from guests has no width.
func (w *world) same(alice, bob *tmuxtest.Terminal, when string) {
	w.t.Helper()
	straight := func(x *tmuxtest.Terminal) string {
		rows := x.Screen()
		return strings.Map(func(c rune) rune {
			if strings.ContainsRune(turned, c) {
				return -1
			}
			return c
		}, strings.Join(rows[:len(rows)-1], "\n"))
	}
	if !w.control {
		tmuxtest.Eventually(w.t, func() bool { return straight(alice) == straight(bob) }, "%s: alice and bob see the same:\n%s\n\n%s", when,
			late(func() string { return straight(alice) }), late(func() string { return straight(bob) }))
		return
	}
	if straight(alice) != straight(bob) {
		w.gain("%s: they see different things", when)
	}
}

// late is a text of the moment in which it is printed.
type late func() string

func (l late) String() string { return l() }
