package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob has to be watched in what he types in one place, and moves what he types into:
// to another index, into another session, or he comes to it by another session. While
// carol watches he may do much, and she leaves. In the control run nobody has to watch.
func TestFE04ShedByMoving(t *testing.T) {
	t.Parallel()
	const bound = ", requires: watcher, reason: four eyes}\n"
	const people = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwcarol, verbs: [view, approve], on: mwalice/*, reason: leads}
`
	const index = people + `  - {who: mwbob, role: operator, on: mwalice/shared, reason: works}
  - {who: mwbob, verbs: type, on: "mwalice/shared:0.0"` + bound
	const session = people + `  - {who: mwbob, role: operator, on: mwalice/other, reason: works}
  - {who: mwbob, role: operator, on: mwalice/shared` + bound
	row{grants: index, loose: strings.ReplaceAll(index, bound, ", reason: control}\n"), restless: true, gains: 4, attack: func(w *world) {
		w.anyInput = true
		a := watchers{w}
		w.Must(owner, "new-session", "-d", "-s", "other", "cat")
		by := func(how string, args ...string) {
			w.t.Helper()
			r := w.try(viewer, args...)
			switch {
			case r.Code == 0:
				w.gain("bob is rid of his watcher by %s", how)
			case !w.control && !strings.Contains(r.Err, "other rights") && !strings.Contains(r.Err, "nobody watches"):
				w.t.Errorf("%s: %+v", how, r)
			}
		}
		by("a pane before it", "split-window", "-d", "-b", "-t", "mwalice/shared:0.0", "cat")
		by("another pane in its place", "swap-pane", "-d", "-s", "mwalice/shared:0.0", "-t", "mwalice/shared:0.1")
		if w.control {
			w.Reload("grants.yaml", strings.ReplaceAll(session, bound, ", reason: control}\n"))
		} else {
			w.Reload("grants.yaml", session)
			a.watch(carol, "attach-session", "-t", "mwalice/shared")
		}
		by("another session", "join-pane", "-d", "-s", "mwalice/shared:0.1", "-t", "mwalice/other:0")
		w.Must(owner, "link-window", "-d", "-s", "shared:0", "-t", "other:5")
		w.Must(owner, "new-session", "-d", "-t", "other", "-s", "group")
		if !w.control {
			must(w, "kick", "-t", "mwalice", carol)
			tmuxtest.Eventually(w.t, func() bool { return !a.types(viewer) }, "carol has gone")
		}
		by("another way", "send-keys", "-t", "mwalice/other:5.0", "x")
	}}.run(t)
}
