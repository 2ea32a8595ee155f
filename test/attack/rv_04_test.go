package attack

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// trusted lets bob do on alice's server nearly all that she may, and carol read there
// what was done.
const trusted = standardGrants + `  - {who: mwbob, verbs: [view, scroll, copy, type, navigate, layout, spawn, configure, execute, share], on: mwalice, reason: helps}
  - {who: mwcarol, verbs: [view, audit], on: mwalice, reason: reads}
`

// left is what `muxward left-behind --json` tells.
type left struct{ Things []leftThing }

type leftThing struct {
	Sure      bool
	Kind, On  string
	Processes []struct {
		PID     int
		Command string
		Away    bool
	}
}

// has reports whether it tells of something with a program in it.
func (l left) has(sure bool, kind, on, program string, away bool) bool {
	return slices.ContainsFunc(l.Things, func(t leftThing) bool {
		runs := program == ""
		for _, p := range t.Processes {
			runs = runs || p.Command == program && p.Away == away
		}
		return t.Sure == sure && t.Kind == kind && strings.HasSuffix(t.On, on) && runs
	})
}

// endAway ends what has left its pane, and would go on after the test.
func (l left) endAway() {
	for _, t := range l.Things {
		for _, p := range t.Processes {
			if p.Away && p.Command == "sleep" {
				_ = syscall.Kill(p.PID, syscall.SIGKILL)
			}
		}
	}
}

// leftBy asks what bob has left.
func (w *world) leftBy(code int, who string, args ...string) left {
	w.t.Helper()
	r := w.Muxward(who, append([]string{"left-behind", viewer, "--json"}, args...)...)
	var l left
	if err := json.Unmarshal([]byte(r.Out), &l); err != nil || code != r.Code {
		w.t.Fatalf("%s: left-behind %q: %v %+v\n%s", who, args, err, r, w.Output())
	}
	return l
}

// Bob is revoked, and hopes that what he has left goes on unseen: a pane of his own
// with a program in it, a program in alice's pane that has left its terminal, a pipe,
// a buffer, a binding, a hook, options, a right that he gave carol. All of it is
// listed: what is his for sure, and what may be. Ending it ends his pane, by the right
// of who asks for it, and nothing else. In the control run the log does not tell what
// his command made.
func TestRV04LeftBehind(t *testing.T) {
	row{grants: trusted, teeth: "teeth_made", restless: true, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "rv", "-x", "80", "-y", "24", "exec sh")
		s := w.server
		bob := w.Control(viewer, "attach", "-t", "mwalice/rv")
		for _, line := range []string{
			"set-buffer -b bobs left", "bind-key -T root F12 set-option @pressed 1", "set-hook -g after-new-window 'set-option -g @hooked 1'",
			"set-option -g @bobs left", "set-environment -g BOBS left", "pipe-pane -t rv:0.0 'exec cat >/dev/null'",
			"send-keys -t rv:0.0 'setsid sleep 600 </dev/null >/dev/null 2>&1 &' Enter",
			"split-window -d -t rv:0.0 'exec sleep 600'", "set-option -g @last left",
		} {
			bob.Say(line)
		}
		tmuxtest.Eventually(w.t, func() bool {
			return strings.Contains(s.Run("show-options", "-g"), "@last")
		}, "bob's lines are done; he hears:\n%s", strings.Join(bob.Said(), "\n"))
		panes := strings.Fields(s.Run("list-panes", "-t", "rv", "-F", "#{pane_id}"))
		if len(panes) != 2 {
			w.t.Fatalf("the panes are %q", panes)
		}
		if r := w.Tmux(viewer, "server-access", "-a", "nobody"); r.Code == 0 {
			w.t.Error("bob changes who may connect")
		}
		granted{w}.give(viewer, typist, "--verbs", "type", "-t", "mwalice/rv")
		if r := w.Muxward(root, "revoke", viewer, "--reason", "left"); r.Code != 0 {
			w.t.Fatalf("revoke: %+v", r)
		}
		if r := w.Muxward(stranger, "left-behind", viewer, "-t", "mwalice"); r.Code == 0 || strings.Contains(r.Out, "bobs") {
			w.t.Errorf("mallory is told: %+v", r)
		}

		l := w.leftBy(0, owner)
		for _, kind := range []string{"pane", "pipe", "buffer", "binding", "hook", "option", "environment", "grant"} {
			if !l.has(true, kind, "", "", false) {
				w.gain("nobody is told for sure of bob's %s", kind)
			}
		}
		// What they run is on its way when bob's lines are done.
		tmuxtest.Eventually(w.t, func() bool {
			l = w.leftBy(0, owner)
			return (w.control || l.has(true, "pane", panes[1], "sleep", false)) && l.has(false, "typed in", panes[0], "sleep", true)
		}, "what runs in bob's pane, and what has left its terminal, is told of")
		defer l.endAway()

		carols := w.leftBy(map[bool]int{false: 1}[w.control], typist, "-t", "mwalice", "--hangup")
		if now := s.Run("list-panes", "-t", "rv", "-F", "#{pane_id}"); len(strings.Fields(now)) != 2 {
			w.t.Errorf("carol, who may close nothing, ends panes: %q\n%+v", now, carols)
		}
		w.leftBy(0, owner, "--hangup")
		now := strings.Fields(s.Run("list-panes", "-t", "rv", "-F", "#{pane_id}"))
		if !w.control && !slices.Equal(now, panes[:1]) {
			w.t.Errorf("after hanging up there are %q, of %q", now, panes)
		}
		if out := w.Muxward(root, "audit", "query", "--state", w.State, "--who", owner).Out; !w.control && !strings.Contains(out, "kill-pane") {
			w.t.Errorf("that it was ended is not in the log:\n%s", out)
		}
	}}.run(t)
}
