package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// paired is the policy of what takes two to approve, of a group.
const paired = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwbob, role: viewer, on: mwalice/shared, reason: watches}
  - {who: mwcarol, verbs: [view, type, approve], on: mwalice/shared, reason: leads}
approvals:
  - {on: mwalice/shared, need: 2, from: "@leads", reason: two look at it}
`

const pairedPeople = `people:
  mwalice: {groups: [leads, owners]}
  mwbob: {}
  mwcarol: {groups: [leads]}
  mwmallory: {}
  root: {uid: 0}
groups:
  leads: ["@owners"]
  owners:
`

// Carol approves what she has asked for herself, by another connection than the one
// she asked by. And of two who have to approve what bob asks for, alice, who is in the
// group by two ways, is both. In the control run everybody is somebody else at each
// connection.
func TestAP01ApproveYourself(t *testing.T) {
	t.Parallel()
	// What somebody holds they need not ask for.
	before := strings.Replace(paired, "[view, type, approve]", "[view, approve]", 1)
	row{people: pairedPeople, grants: before, teeth: asking, restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		own := a.ask(carol, "type", "-t", "mwalice/shared")
		w.Reload("grants.yaml", paired)
		for range 2 {
			if r := w.Muxward(carol, "approve", own); r.Code == 0 {
				w.gain("carol approves her own request: %s", r.Out)
			} else if !w.control && !strings.Contains(r.Err, "nobody answers their own request") {
				w.t.Errorf("carol approves her own request: %+v", r)
			}
		}
		twice := a.ask(viewer, "type", "-t", "mwalice/shared:0.0")
		if r := w.Muxward(owner, "approve", twice); r.Code != 0 || !strings.Contains(r.Out, "takes 2") {
			w.t.Errorf("alice is one of two: %+v", r)
		}
		_ = w.Muxward(owner, "approve", twice) // what comes of it is seen
		if a.types(viewer, "mwalice/shared:0.0") {
			w.gain("alice approved twice, and bob types")
			return
		}
		if r := w.Muxward(carol, "approve", twice); r.Code != 0 {
			w.t.Errorf("carol is the other one: %+v", r)
		}
		tmuxtest.Eventually(w.t, func() bool { return a.types(viewer, "mwalice/shared:0.0") }, "what two have approved counts")
	}}.run(t)
}
