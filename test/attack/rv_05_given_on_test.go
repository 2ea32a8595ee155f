package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob has a grant of alice's, and knows that she takes it back. In that moment he gives it on to mallory,
// who attaches. She wants to stay when it has been taken back: whose it is was found out before. In the control
// run what is taken back counts for who got it from there.
func TestRV05GivenOnMeanwhile(t *testing.T) {
	t.Parallel()
	row{grants: unchained, teeth: "teeth_chain", restless: true, paused: true, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "rv", "cat")
		g := granted{w}
		id, _ := g.give(owner, viewer, "--verbs", "view,share", "-t", "rv")
		taken := make(chan host.Result, 1)
		var x *tmuxtest.Terminal
		w.between("take-back", func() { go func() { taken <- w.Muxward(owner, "grants", "take-back", id) }() }, func() {
			g.give(viewer, stranger, "--verbs", "view", "-t", "mwalice/rv")
			x = w.attach(stranger, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
			x.WaitFor("[rv]")
		})
		if r := <-taken; r.Code != 0 {
			w.t.Errorf("take back: %+v", r)
		}
		// What ends is given back before that has returned, and her client hears of it then.
		if soonIf(!w.control, x.Exited); !x.Exited() {
			w.gain("mallory is attached still")
		}
	}}.run(t)
}
