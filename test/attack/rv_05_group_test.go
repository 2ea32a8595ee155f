package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Carol may type as one of a group, and is taken out of it in the policy's files while she
// does. She types and looks on as if nothing had happened, and does not get one more byte in
// or out once her display is closed. In the control run verdicts and permits in use are left as they are.
func TestRV05GroupChanges(t *testing.T) {
	t.Parallel()
	const with, without = standardPeople + "groups:\n  hands: [mwbob, mwcarol]\n", standardPeople + "groups:\n  hands: [mwbob]\n"
	const grants = standardGrants + "  - {who: \"@hands\", verbs: [view, scroll, type], on: mwalice/rv, reason: has a hand in it}\n"
	row{people: with, grants: grants, teeth: "teeth_revoke", restless: true, gains: 2, attack: func(w *world) {
		rv := newRevocation(w, "addressed", "")
		rv.take = func(x *tmuxtest.Terminal) host.Result { w.Reload("people.yaml", without); return rv.closed(x) }
		rv.undo = func() { w.Reload("people.yaml", with) }
		trials := soak.N(1000, 4)
		if w.control {
			trials = max(trials, 100) // it ends with the first that has met both
		}
		for i := range trials {
			rv.trial(i)
			if w.control && rv.typed > 0 && rv.seen > 0 {
				break // a verdict in memory lasts a second: not each trial meets one
			}
		}
		w.t.Logf("%d trials, %d keys, %.0f a second", trials, rv.keys, float64(rv.keys)/rv.time.Seconds())
	}}.run(t)
}
