package attack

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A window of the session that is forbidden to bob also hangs in one that he
// may see: linked before, linked later, at another place, or because sessions
// share their windows as a group. He wants to get at it by the way that is
// permitted. A window that is forbidden by one way is forbidden by all, whether
// a rule of the policy forbids it or a revocation. In the control run nothing
// does, and each way leads to it.
func TestTM10AnotherWayToTheWindow(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwbob, verbs: [view, copy, scroll], on: mwalice, reason: all but two sessions}\n"
	const forbids = `forbid (principal == Person::"mwbob", action, resource in Session::"mwalice/secret");
forbid (principal == Person::"mwbob", action, resource in Session::"mwalice/secret2");
`
	t.Run("forbid", row{grants: sees, cedar: forbids, loose: sees, restless: true, gains: 8, attack: func(w *world) {
		w.otherWays(func(string) {})
	}}.run)
	t.Run("revoke", row{grants: sees, restless: true, gains: 8, attack: func(w *world) {
		revoke := func(session string) {
			if w.control { // there nothing is forbidden
				return
			}
			if r := w.Muxward(root, "revoke", viewer, "-t", "mwalice/"+session); r.Code != 0 {
				w.t.Fatalf("%+v", r)
			}
		}
		revoke("secret")
		w.otherWays(revoke)
	}}.run)
}

// way is one way to a window of a forbidden session.
type way struct {
	name    string
	made    [][]string // how the owner makes it
	targets []string
	attach  string // a session that shows it
	late    string // a forbidden session that begins with it
}

// ways are the topologies. SECRET stands for the id of the secret session's
// window, MARKS for a program that prints what bob must not see.
func ways() []way {
	return []way{
		{"linked", [][]string{{"link-window", "-d", "-s", "SECRET", "-t", "shared:5"}}, []string{"shared:5", "shared:SECRET"}, "shared:5", ""},
		{"linked twice", [][]string{
			{"new-session", "-d", "-s", "twice", "cat"}, {"link-window", "-d", "-s", "SECRET", "-t", "twice:7"},
			{"link-window", "-d", "-s", "SECRET", "-t", "twice:8"},
		}, []string{"twice:7", "twice:8", "twice:SECRET"}, "twice:8", ""},
		{"grouped with it", [][]string{{"new-session", "-d", "-t", "secret", "-s", "grouped"}}, []string{"grouped", "grouped:0", "grouped:SECRET"}, "grouped", ""},
		{"current elsewhere", [][]string{
			{"new-session", "-d", "-s", "later", "cat"}, {"link-window", "-s", "SECRET", "-t", "later:3"},
		}, []string{"later", "later:", "later:3"}, "later", ""},
		{"in a group of others", [][]string{
			{"new-session", "-d", "-s", "one", "cat"}, {"new-session", "-d", "-t", "one", "-s", "two"},
			{"link-window", "-d", "-s", "SECRET", "-t", "one:4"},
		}, []string{"two:4", "one:4", "two:SECRET"}, "two:4", ""},
		{"a window that was bob's to see", [][]string{
			{"new-session", "-d", "-s", "mine", "-n", "theirs", "MARKS"}, {"link-window", "-d", "-s", "mine:0", "-t", "secret:9"},
		}, []string{"mine", "mine:0", "mine:theirs"}, "mine", ""},
		{"a group that a forbidden one joined", [][]string{
			{"new-session", "-d", "-s", "open", "MARKS"}, {"new-session", "-d", "-t", "open", "-s", "secret2"},
		}, []string{"open", "open:0", "secret2", "secret2:0"}, "open", "secret2"},
		{"a link of a link", [][]string{
			{"new-session", "-d", "-s", "a", "cat"}, {"link-window", "-d", "-s", "SECRET", "-t", "a:1"},
			{"new-session", "-d", "-s", "b", "cat"}, {"link-window", "-d", "-s", "a:1", "-t", "b:2"}, {"unlink-window", "-t", "a:1"},
		}, []string{"b:2", "b:SECRET"}, "b:2", ""},
	}
}

// otherWays makes each topology and has bob try it; what he hears of the mark
// is a gain for that one. forbid is told of forbidden sessions that begin.
func (w *world) otherWays(forbid func(session string)) {
	secret := w.server.Run("list-windows", "-t", "secret", "-F", "#{window_id}")
	fill := strings.NewReplacer("SECRET", secret, "MARKS", "while :; do echo "+w.mark+"; sleep 1; done").Replace
	for _, y := range ways() {
		for _, args := range y.made {
			args = slices.Clone(args)
			for i := range args {
				args[i] = fill(args[i])
			}
			w.server.Run(args...)
		}
		if y.late != "" {
			forbid(y.late)
		}
		got := w.byWay(y, fill)
		switch {
		case len(got) > 0:
			w.gain("%s: %v", y.name, got)
		case w.control:
			w.t.Errorf("control run: %s does not lead to the window", y.name)
		}
	}
	for _, at := range []string{"secret", "secret:9", "secret2", secret} {
		w.try(viewer, "capture-pane", "-p", "-t", "mwalice/"+at)
		w.try(viewer, "list-panes", "-t", "mwalice/"+at, "-F", "#{window_name}")
	}
	for _, list := range []string{"list-windows", "list-panes"} {
		w.try(viewer, list, "-a", "-F", "#{window_name} #{pane_title}")
	}
}

// byWay lists what showed bob something.
func (w *world) byWay(y way, fill func(string) string) (got []string) {
	hears := func(args ...string) {
		heard := false
		soonIf(w.control, func() bool {
			r := w.try(viewer, args...)
			heard = strings.Contains(r.Out, w.mark)
			return heard || !w.control && r.Code != 0 // who is refused once need not ask again
		})
		if heard {
			got = append(got, args[0]+" "+args[len(args)-1])
		}
	}
	for i, at := range y.targets {
		at = "mwalice/" + fill(at)
		if w.control && i > 0 {
			break // one is enough there
		}
		hears("capture-pane", "-p", "-t", at)
		if !w.control {
			w.try(viewer, "display-message", "-p", "-t", at, "#{window_name}")
			w.try(viewer, "list-panes", "-t", at, "-F", "#{window_name}")
		}
	}
	session, _, _ := strings.Cut(y.attach, ":")
	x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/"+session)
	if session != y.attach {
		w.server.Run("select-window", "-t", y.attach)
	}
	if soonIf(w.control, func() bool { return x.Exited() || x.Contains(w.mark) }) && x.Contains(w.mark) {
		got = append(got, "attached")
	}
	leave(x)
	return got
}
