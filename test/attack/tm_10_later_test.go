package attack

import (
	"fmt"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may see all of alice's server, and looks at one session of it. Then
// another one, or a pane of it, is taken from him. He wants to go on seeing
// what is in there, through his display that is attached already: because its
// window hangs in the session he looks at, too, or because it comes there
// later. When the revocation has returned he sees nothing of it by any way.
func TestTM10TakenWhileAttached(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwbob, verbs: [view], on: mwalice, reason: all for now}\n"
	link := []string{"link-window", "-s", "taken:0", "-t", "place:5", ";", "select-window", "-t", "place:5"}
	ways := []struct {
		name          string
		look, target  string
		before, after []string
	}{
		{"linked before", "place", "taken", link, nil},
		{"linked after", "place", "taken", nil, link},
		{"a pane that comes", "place", "taken:0.0", nil, []string{"join-pane", "-d", "-s", "taken:0.0", "-t", "place:0"}},
		{"a pane that came", "place", "taken:0.0", []string{"join-pane", "-d", "-s", "taken:0.0", "-t", "place:0"}, nil},
		{"sharing all windows", "grouped", "taken", []string{"new-session", "-d", "-t", "taken", "-s", "grouped"}, nil},
	}
	row{grants: sees, teeth: "teeth_parts", restless: true, gains: len(ways) - 1, attack: func(w *world) {
		w.anyInput = true
		for i, way := range ways {
			pane := w.server.Run("new-session", "-d", "-x", "80", "-y", "24", "-s", "taken", "-P", "-F", "#{pane_id}", "cat")
			w.server.Run("split-window", "-d", "-t", "taken", "cat", ";", "new-session", "-d", "-x", "80", "-y", "24", "-s", "place", "cat")
			if way.before != nil {
				w.server.Run(way.before...)
			}
			target := "mwalice/" + way.target
			if way.name == "a pane that came" { // known by where it is now
				target = "mwalice/place:0.1"
			}
			bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/"+way.look)
			bob.WaitFor("[" + way.look + "]")
			if r := w.Muxward(root, "revoke", viewer, "-t", target); r.Code != 0 {
				w.t.Errorf("%s: revoke: %+v", way.name, r)
			}
			if way.after != nil {
				w.server.Run(way.after...)
			}
			word := fmt.Sprintf("AFTER-%d-", i)
			w.Must(owner, "send-keys", "-t", pane, word, "Enter")
			w.soon(func() bool { return bob.Exited() || bob.Contains(word) })
			if bob.Contains(word) {
				w.gain("%s: bob sees it", way.name)
			} else if !bob.Exited() {
				w.t.Errorf("%s: bob's display is neither closed nor current", way.name)
			}
			leave(bob)
			if r := w.Muxward(root, "revoke", "--undo", viewer, "-t", target); r.Code != 0 {
				w.t.Errorf("%s: undo: %+v", way.name, r)
			}
			for _, session := range []string{"grouped", "place", "taken"} {
				_, _ = w.server.Try("kill-session", "-t", "="+session) // one may have ended with its panes
			}
		}
	}}.run(t)
}
