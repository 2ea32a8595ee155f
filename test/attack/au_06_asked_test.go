package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// askedBefore is the policy of what is asked for, and takes two in the session two.
const askedBefore = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwbob, role: viewer, on: mwalice/two, reason: watches}
  - {who: mwcarol, role: suggester, on: mwalice/shared, reason: suggests}
  - {who: mwcarol, verbs: [view, type, approve], on: mwalice/two, reason: leads}
approvals:
  - {on: mwalice/two, need: 2, reason: two look at it}
`

// givesCarolAway has carol's account be another's, and muxward come to know it, which looks every four seconds.
func (w *world) givesCarolAway() {
	w.t.Helper()
	w.accounts(givenAway)
	if !w.control {
		tmuxtest.Eventually(w.t, func() bool { return strings.Contains(w.Output(), "is not mwcarol's any more") }, "muxward comes to know it")
	}
}

// Carol asks for a right, suggests a line, and knocks with the code of an invite. Nobody answers yet. Her account is deleted, and her
// name is given anew. The newcomer wants what she has asked for. When alice answers, nobody is there who has
// asked. The control run does not ask whose account it was.
func TestAU06AskedByTheAccountBefore(t *testing.T) {
	row{grants: askedBefore, teeth: "teeth_owned", settings: "answer_key: true\n", unlogged: true, restless: true, gains: 3, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "iv", "cat")
		_, code := w.share("--role", "viewer", "-t", "iv", "--approve")
		k := knocker{world: w, who: carol}
		k.knock(code)
		asked := seekers{w}.ask(carol, "type", "-t", "mwalice/shared:0.0")
		if r := w.Muxward(carol, "suggest", "-t", "mwalice/shared:0.0", "--wait=false", "make"); r.Code != 0 {
			w.t.Fatalf("suggest: %+v", r)
		}
		w.givesCarolAway()
		open := func() bool { return strings.Contains(w.Muxward(owner, "suggestions").Out, carol) }
		if soonIf(!w.control, func() bool { return !open() }); open() {
			w.gain("what she suggested waits")
		}
		for what, id := range map[string]string{"what she asked for": asked, "that she is let in": k.id} {
			if r := w.Muxward(owner, "approve", id); r.Code == 0 {
				w.gain("%s is approved: %s", what, r.Out)
			}
		}
	}}.run(t)
}

// Bob asks for a right, which takes the yes of two. Carol has said yes, her account is deleted, and her name is given
// anew. Bob wants her yes to count. The control run does not ask whose account it was.
func TestAU06YesByTheAccountBefore(t *testing.T) {
	row{grants: askedBefore, teeth: "teeth_owned", unlogged: true, restless: true, attack: func(w *world) {
		a := seekers{w}
		w.Must(owner, "new-session", "-d", "-s", "two", "cat")
		asked := a.ask(viewer, "type", "-t", "mwalice/two:0.0")
		if r := w.Muxward(carol, "approve", asked); r.Code != 0 {
			w.t.Fatalf("carol says yes: %+v", r)
		}
		w.givesCarolAway()
		if r := w.Muxward(owner, "approve", asked); r.Code != 0 {
			w.t.Errorf("alice says yes: %+v", r)
		}
		if a.types(viewer, "mwalice/two:0.0") {
			w.gain("her yes counts")
		}
	}}.run(t)
}
