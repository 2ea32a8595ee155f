package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A window of the session that is forbidden to bob also hangs in one that he
// may see: linked before, linked later, at another place, or because sessions
// share their windows as a group. He wants to get at it by the way that is
// permitted. A window that is forbidden by one way is forbidden by all.
func TestTM10AnotherWayToTheWindow(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwbob, verbs: [view, copy, scroll], on: mwalice, reason: all but one session}\n"
	row{grants: sees, restless: true, gains: 3, attack: func(w *world) {
		before := w.server.Run("list-windows", "-t", "secret", "-F", "#{window_id}")
		w.server.Run("link-window", "-d", "-s", before, "-t", "shared:5")
		if !w.control { // there the session is not forbidden
			if r := w.Muxward(root, "revoke", viewer, "-t", "mwalice/secret"); r.Code != 0 {
				w.t.Fatalf("%+v", r)
			}
		}
		w.server.Run("link-window", "-d", "-s", before, "-t", "shared:7", ";", "new-session", "-d", "-t", "secret", "-s", "grouped",
			";", "new-session", "-d", "-s", "later", "cat", ";", "link-window", "-s", before, "-t", "later:3")
		for _, at := range []string{"shared:5", "shared:7", "grouped", "grouped:0", "later:3", "later", "secret", before, "shared:" + before,
			"later:" + before, "grouped:" + before} {
			w.try(viewer, "capture-pane", "-p", "-t", "mwalice/"+at)
			w.try(viewer, "display-message", "-p", "-t", "mwalice/"+at, "#{window_name}")
			w.try(viewer, "list-panes", "-t", "mwalice/"+at, "-F", "#{window_name}")
		}
		w.try(viewer, "list-windows", "-a", "-F", "#{window_name}")
		for _, session := range []string{"grouped", "later", "shared"} {
			x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/"+session)
			if session == "shared" {
				w.server.Run("select-window", "-t", "shared:5")
			}
			soonIf(w.control, func() bool { return x.Exited() || x.Contains(w.mark) })
		}
	}}.run(t)
}
