package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Carol is in a group that was given a right, and is taken out of the group while
// she types. When the policy is loaded she has the right no more. In the control
// run permits in use are left as they are.
func TestAU09TakenOutOfTheGroup(t *testing.T) {
	const in, out = standardPeople + "groups:\n  oncall: [mwbob, mwcarol]\n", standardPeople + "groups:\n  oncall: [mwbob]\n"
	row{people: in, teeth: "teeth_revoke", restless: true, gains: 1, attack: func(w *world) {
		g := granted{w}
		rv := newRevocation(w, "addressed", "")
		g.give(owner, "@oncall", "typist", "-t", "mwalice/rv")
		rv.take = func(x *tmuxtest.Terminal) host.Result { w.Reload("people.yaml", out); return rv.closed(x) }
		rv.undo = func() { w.Reload("people.yaml", in) }
		trials := soak.N(1000, 2)
		if w.control {
			trials = max(trials, 100) // a verdict in memory lasts a second: not each trial meets one
		}
		for i := range trials {
			if rv.trial(i); len(w.gains) > 0 {
				break
			}
		}
	}}.run(t)
}
