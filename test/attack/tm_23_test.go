package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol holds every verb of alice's, so her keys go to a display of her own as they are.
// While the server reads nothing she types a lot, and then one verb is taken from her: what
// lies in the display by then was typed by a right that she has no more. When the server
// goes on, nothing of it is executed, and her next key is one to the pane. In the control
// run nothing is decided anew.
func TestTM23DirectInputLost(t *testing.T) {
	t.Parallel()
	const every = standardGrants + "  - {who: mwcarol, role: owner, on: mwalice, reason: every verb}\n"
	const butOne = standardGrants + "  - {who: mwcarol, verbs: [view, scroll, copy, type, navigate, layout, spawn, close-pane], on: mwalice, reason: less}\n"
	row{grants: every, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
		w.anyInput = true
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		if who := w.Muxward(root, "who", "--json"); !strings.Contains(who.Out, `"direct"`) {
			w.t.Errorf("carol's input is not direct: %+v", who)
		}
		x.Type("a")
		w.rec.WaitLen(1)
		const late = 3000 // as much as a terminal holds, and less
		signal(w.t, w.server.PID, sigStop)
		defer signal(w.t, w.server.PID, sigCont)
		x.Type(strings.Repeat("Z", late))
		tmuxtest.Eventually(w.t, func() bool {
			sum := 0
			for _, e := range w.AuditKind("keys") { // at a display that takes them itself they are of the server
				sum += e.Bytes
			}
			return sum > late
		}, "the keys lie in the display")
		loaded := len(w.AuditKind("reload"))
		w.Reload("grants.yaml", butOne)
		tmuxtest.Eventually(w.t, func() bool { return len(w.AuditKind("reload")) > loaded }, "all that is under way is decided anew")
		signal(w.t, w.server.PID, sigCont)
		w.server.Run("run-shell", "true")
		if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), "Z") }) {
			w.gain("%d keys are executed late", strings.Count(string(w.rec.Bytes()), "Z"))
		}
		if w.control {
			return
		}
		// Where a server does not say that it holds nothing more of somebody, they are put out.
		tmuxtest.Eventually(w.t, func() bool {
			if x.Exited() {
				x = w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
				x.WaitFor("recording")
			}
			x.Type("k")
			return strings.Contains(string(w.rec.Bytes()), "k")
		}, "carol's next key reaches the pane: %q", x.Screen())
		if strings.Contains(string(w.rec.Bytes()), "Z") {
			w.gain("keys are executed later still: %q", clip(w.rec.Bytes()))
		}
	}}.run(t)
}
