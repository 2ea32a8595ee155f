package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol is a guest at alice's, and has a server of her own. What keys mean at
// alice's is for alice to say. She binds some to commands about carol's server, one
// of them a letter that everybody types, and wants carol to press one: it would
// run a program with all that carol may do at home, close a session there, take a pane
// away, or tell alice by what is typed into her pane how things are called there.
// Whatever way she takes, a key is about the server that it is pressed at.
func TestTM13TheOwnerAttacksTheGuest(t *testing.T) {
	t.Parallel()
	row{conf: "set -g assume-paste-time 0\n", teeth: "teeth_pressed", restless: true, gains: 6, attack: func(w *world) {
		w.Must(typist, "new-session", "-d", "-s", "home", "-n", "hers", "cat")
		w.Must(typist, "new-session", "-d", "-s", "more", "cat")
		w.settle() // with a server more
		hers := func() string { return w.Tmux(typist, "list-panes", "-a", "-F", "#{session_name} #{pane_id}").Out }
		before := hers()
		lure := "-t mwcarol/x '" + w.lure() + "'"
		bound := []string{
			"run-shell -b " + lure, "run-shell " + lure, "send-keys -l half ; run-shell -b " + lure, "if-shell -F 1 { run-shell -b " + lure + " }",
			"if-shell -F 1 'run-shell -b " + `-t mwcarol/x \"` + w.lure() + `\"'`, "if-shell -b -t mwcarol/x '" + w.lure() + "' 'kill-pane'",
			"if-shell -F -t mwcarol/home: '#{==:#{window_name},hers}' 'send-keys -l told' 'send-keys -l other'",
			"new-window -t mwcarol/home: '" + w.lure() + "'", "respawn-pane -k -t mwcarol/home: '" + w.lure() + "'", "set-hook -t mwcarol/x @x 'run-shell x'",
			"join-pane -s mwcarol/more: -t mwcarol/home:", "confirm-before { run-shell -b " + lure + " }", "command-prompt -p name \"run-shell -b -t mwcarol/x '" + w.lure() + " # %%'\"",
			"command-prompt -p name { kill-session -t mwcarol/more }",
		}
		text := "bind-key -n a run-shell -b " + lure + "\n"
		for i, commands := range bound {
			text += "bind-key -T prefix " + keyOf(i) + " { " + commands + " }\n"
		}
		w.source(text)
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		if w.control {
			x.Type("a")
			for i := range bound {
				x.Type("\x02" + keyOf(i))
				switch i {
				case 11:
					x.WaitFor("(y/n)")
					x.Type("y")
				case 12, 13:
					x.WaitFor("name _")
					x.Type("z\r")
				}
			}
			soonIf(true, func() bool { return w.rec.Len() > 0 && hers() != before })
		} else {
			w.told(x, []string{"a"}, "a")
			for i := range bound {
				w.told(x, []string{bound[i]}, "\x02"+keyOf(i))
			}
			x.Type("\x02:kill-session -t mwcarol/more") // nor does a line
			x.WaitFor("mwcarol/more_")
			w.told(x, []string{"a line"}, "\r")
			w.baited()
		}
		if now := hers(); now != before {
			w.gain("carol's own server has %q, had %q", now, before)
		}
	}}.run(t)
}
