package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob holds every verb on one session, and none on the server. He asks for
// what tmux would choose or keep for him: to close all others, whichever those
// are then; a window in place of another; styles and formats that are read
// again later. What is not one thing that was decided is for whoever holds
// every verb.
func TestTM36MoreThanWasDecided(t *testing.T) {
	t.Parallel()
	owns := standardGrants + `  - {who: mwbob, role: owner, on: mwalice/shared, reason: "his, for today"}
  - {who: mwbob, verbs: [copy, view, configure, execute, detach-others], on: mwalice, reason: more than usual}
`
	row{grants: owns, teeth: "teeth_guest", restless: true, gains: 5, attack: func(w *world) {
		const s = "mwalice/shared"
		style := "bg=#{?pane_active,#(" + w.lure() + "),red}"
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", s)
		bob.WaitFor("recording")
		for _, args := range [][]string{
			{"select-pane", "-t", s + ":0.1", "-P", style}, {"send-keys", "-F", "-t", s + ":0.1", "#{l:}"},
			{"new-window", "-d", "-k", "-t", s + ":0", "cat"}, {"new-window", "-d", "-a", "-t", s + ":0", "cat"},
			{"rename-session", "-t", s, "shared"},
			{"switch-client", "-t", s, "-n"}, {"switch-client", "-t", s, "-l"}, {"switch-client", "-t", s, "-T", "prefix"},
			{"switch-client", "-t", s, "-r"}, {"new-session", "-d", "-t", s},
			{"kill-window", "-a", "-t", s + ":0"}, {"kill-pane", "-a", "-t", s + ":0.1"}, {"kill-session", "-a", "-t", s},
		} {
			r := w.refused(viewer, args...)
			if !w.control && !strings.Contains(r.Err, "not offered to guests") && !strings.Contains(r.Err, "only ") {
				w.t.Errorf("%q: %+v", args, r)
			}
		}
		soonIf(w.control, func() bool { return caught(w) })
	}}.run(t)
}

// Carol may choose the session that she looks at. She asks for the pane that
// is active anyway, which selects nothing for anybody; before it is done the
// owner has gone on to another pane. She wants him back. Her display comes to
// the session, and nothing is selected.
func TestTM36SelectedMeanwhile(t *testing.T) {
	t.Parallel()
	walks := standardGrants + "  - {who: mwcarol, verbs: [navigate], on: mwalice/shared, reason: looks around}\n"
	row{grants: walks, teeth: "teeth_guest", restless: true, paused: true, attack: func(w *world) {
		w.attach(carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared").WaitFor("recording")
		active := func() string { return w.server.Run("display-message", "-p", "-t", "shared:", "#{pane_id}") }
		args := []string{"switch-client", "-t", "mwalice/shared:0.0"}
		code := w.meanwhile("executor-run", carol, args, func() { w.server.Run("select-pane", "-t", w.b) })
		if code != 0 && !w.control {
			w.t.Errorf("she cannot switch: exit %d", code)
		}
		if soonIf(w.control, func() bool { return active() != w.b }) {
			w.gain("carol selected pane %s for everybody", active())
		}
	}}.run(t)
}

// Carol helps in one session, but not in the pane that is active there, which
// she may not even know of. She names what to take and not where to put it: what
// she did not name would be whatever tmux takes for current, such as the pane of
// the secret session, which comes to her in exchange. What has no name that she
// may know is not done.
func TestTM36NothingNamed(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwcarol, role: operator, on: mwalice/shared, reason: helps}\n"
	const forbid = `forbid (principal == Person::"mwcarol", action, resource in Pane::"mwalice/shared:0.0") unless { context.own };` + "\n"
	row{grants: helps, cedar: forbid, loose: everyVerb, restless: true, attack: func(w *world) {
		const hers = "mwalice/shared:0.1"
		w.refused(carol, "copy-mode", "-s", hers)
		w.refused(carol, "swap-pane", "-d", "-s", hers)
		w.refused(carol, "join-pane", "-d", "-s", hers)
		w.try(carol, "capture-pane", "-p", "-t", hers)
		if in := w.server.Run("list-panes", "-t", w.b, "-F", "#{session_name} #{pane_mode}"); in != "shared \nshared " {
			w.gain("pane b is now among %q", in)
		}
	}}.run(t)
}
