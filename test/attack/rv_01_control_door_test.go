package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// Bob may look at alice's session. He asks by muxward's own commands which sessions there are, who has a
// keyboard, and what would be decided, and is revoked when that has been found out and is not written yet. He wants
// to be told all the same. When `revoke` has returned nothing of it is: it is found out anew. In the
// control run rights that change keep nothing back.
func TestRV01AnswersOfTheControlDoor(t *testing.T) {
	t.Parallel()
	asks := []struct {
		told string
		args []string
	}{
		{"mwalice/shared", []string{"ls"}},
		{"mwalice/shared:0.0", []string{"leases"}},
		{"mwalice/$", []string{"explain", "--", "tmux", "capture-pane", "-p", "-t", "mwalice/shared:0.0"}},
		{"mwalice/%", []string{"left-behind", owner, "-t", owner}},
	}
	row{teeth: "teeth_revoke", restless: true, paused: true, gains: len(asks), attack: func(w *world) {
		if r := w.Muxward(owner, "lease", "on", "-t", "shared:0.0"); r.Code != 0 {
			w.t.Fatalf("lease on: %+v", r)
		}
		if r := w.Muxward(owner, "grant", viewer, "--verbs", "audit", "-t", owner, "--for", "1h", "--reason", "reviews"); r.Code != 0 {
			w.t.Fatalf("grant: %+v", r)
		}
		w.Must(owner, "split-window", "-d", "-t", "shared", "sleep 100")
		for _, a := range asks {
			if r := w.Muxward(viewer, a.args...); !strings.Contains(r.Out, a.told) {
				w.t.Fatalf("%q tells nothing: this is no test: %+v", a.args, r)
			}
			heard := make(chan host.Result, 1)
			w.between("ctld-answer", func() { go func() { heard <- w.Muxward(viewer, a.args...) }() }, func() {
				if r := w.Muxward(root, "revoke", viewer); r.Code != 0 {
					w.t.Errorf("revoke: %+v", r)
				}
			})
			if r := <-heard; strings.Contains(r.Out, a.told) {
				w.gain("bob is told by %q: %s", a.args, clip([]byte(r.Out)))
			}
			if r := w.Muxward(root, "revoke", "--undo", viewer); r.Code != 0 {
				w.t.Errorf("undo: %+v", r)
			}
		}
	}}.run(t)
}
