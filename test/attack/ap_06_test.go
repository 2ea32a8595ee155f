package attack

import (
	"strings"
	"testing"
)

// Mallory, who may see nothing of alice's, asks for rights to find out which sessions
// and panes there are. The answer is the same for those that are not there. In the
// control run she may know of everything.
func TestAP06AskingTellsNothing(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_visible", attack: func(w *world) {
		answer := func(what, target string) string {
			r := w.Muxward(stranger, "request", what, "-t", target, "--wait=false")
			if r.Code == 0 {
				w.gain("mallory asks for %s on %s: %s", what, target, r.Out)
			}
			return strings.ReplaceAll(r.Out+r.Err, target, "TARGET")
		}
		for _, what := range []string{"view", "type", "owner"} {
			for there, not := range map[string]string{
				"mwalice/secret": "mwalice/nosuch", "mwalice/shared:0.0": "mwalice/shared:7.7",
				"mwalice/$0": "mwalice/$99", "mwalice": "mwbob",
			} {
				if a, b := answer(what, there), answer(what, not); a != b {
					w.gain("%s is told of %s: %q, and of %s: %q", what, there, a, not, b)
				}
			}
		}
		if out := w.Muxward(owner, "approvals", "--json").Out; out != "[]\n" {
			w.gain("alice is asked: %s", out)
		}
		if r := w.Muxward(stranger, "approvals", "--json"); r.Out != "[]\n" {
			w.gain("mallory is told of requests: %s", r.Out)
		}
	}}.run(t)
}

// Bob looks on at a window that is in a session of alice's, too, which he may not see.
// He asks for more of it to read where it is. In the control run he may see that session.
func TestAP06LinkedSession(t *testing.T) {
	t.Parallel()
	const loose = standardGrants + `  - {who: mwbob, role: viewer, on: mwalice, reason: control run}
`
	row{loose: loose, restless: true, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "hidden", "cat")
		w.Must(owner, "link-window", "-d", "-s", "shared:0", "-t", "hidden:5")
		heard := []string{
			w.Muxward(viewer, "request", "type", "-t", "mwalice/shared:0", "--json", "--wait=false").Out,
			w.Muxward(viewer, "approvals", "--json").Out,
		}
		for _, out := range heard {
			if !strings.Contains(out, "mwalice/shared:0") {
				w.t.Errorf("bob asked and reads %s", out)
			}
		}
		if w.control {
			heard = append(heard, w.Muxward(viewer, "request", "type", "-t", "mwalice/hidden", "--json", "--wait=false").Out)
		}
		for _, out := range heard {
			if strings.Contains(out, "hidden") {
				w.gain("bob is told of the other session: %s", out)
			}
		}
	}}.run(t)
}
