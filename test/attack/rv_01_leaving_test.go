package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob looks on in control mode, asks for something, and leaves before it is written to his client. He wants it
// though he is revoked by then. Who is not revoked has all that he asked for.
func TestRV01AnswersBehindTheEnd(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_revoke", restless: true, paused: true, attack: func(w *world) {
		leaves := func(meanwhile func()) string {
			l := w.Control(viewer, "attach", "-t", "mwalice/shared")
			tmuxtest.Eventually(w.t, func() bool { return strings.Contains(strings.Join(l.Said(), "\n"), "%session-changed") }, "bob looks on")
			w.between("controlmode-show", func() { l.Say("display-message -p 'seen-#{pane_width}'") }, func() {
				l.Close()
				tmuxtest.Eventually(w.t, func() bool { return !strings.Contains(w.Muxward(root, "who").Out, viewer) }, "bob has left")
				meanwhile()
			})
			tmuxtest.Eventually(w.t, func() bool { return strings.Contains(strings.Join(l.Said(), "\n"), "%exit") }, "bob's client ends")
			return strings.Join(l.Said(), "\n")
		}
		if said := leaves(func() {}); !strings.Contains(said, "seen-80") {
			w.t.Errorf("bob is not told what he asked for before he left:\n%s", said)
		}
		if said := leaves(func() {
			if r := w.Muxward(root, "revoke", viewer); r.Code != 0 {
				w.t.Errorf("revoke: %+v", r)
			}
		}); strings.Contains(said, "seen-80") {
			w.gain("bob was told what he had asked for")
		}
	}}.run(t)
}
