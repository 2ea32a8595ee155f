package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What carol holds of alice's in this row: every verb, and what is left of them.
const (
	tm23Every  = standardGrants + "  - {who: mwcarol, role: owner, on: mwalice, reason: every verb}\n"
	tm23ButOne = standardGrants + "  - {who: mwcarol, verbs: [view, scroll, copy, type, navigate, layout, spawn, close-pane], on: mwalice, reason: less}\n"
)

// Carol holds every verb of alice's, so her keys go to a display of her own as they are.
// While the server reads nothing she types a lot, and then one verb is taken from her: what
// lies in the display by then was typed by a right that she has no more. When the server
// goes on, nothing of it is executed, and her next key is one to the pane. In the control
// run nothing is decided anew.
func TestTM23DirectInputLost(t *testing.T) {
	t.Parallel()
	row{grants: tm23Every, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
		w.anyInput = true
		for n := range soak.N(1000, 10) / carols {
			if n > 0 {
				w.reloaded(tm23Every)
			}
			w.loseOne(tm23ButOne)
			if len(w.gains) > 0 {
				return
			}
		}
	}}.run(t)
}

// reloaded puts other grants in force, and waits until all that is under way is decided anew.
func (w *world) reloaded(grants string) {
	w.t.Helper()
	loaded := len(w.AuditKind("reload"))
	w.Reload("grants.yaml", grants)
	tmuxtest.Eventually(w.t, func() bool { return len(w.AuditKind("reload")) > loaded }, "all that is under way is decided anew")
}

// carols is at how many terminals carol is at once.
const carols = 10

// loseOne has carol come in by every verb, at several terminals, and lose one while what she types lies in each display.
func (w *world) loseOne(butOne string) {
	w.t.Helper()
	const late = 4 << 10
	var all []*tmuxtest.Terminal
	for range carols {
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		all = append(all, x)
	}
	defer func() { leave(all...) }()
	tmuxtest.Eventually(w.t, func() bool { return strings.Count(w.Muxward(root, "who", "--json").Out, `"direct"`) == carols }, "carol's input is direct")
	there := w.rec.Len()
	for i, x := range all {
		x.Type("a")
		w.rec.WaitLen(there + i + 1)
	}
	var typed int
	tmuxtest.Eventually(w.t, func() bool { typed = w.keyBytes(); return typed >= there+carols }, "the keys before are in the log")
	signal(w.t, w.server.PID, sigStop)
	defer signal(w.t, w.server.PID, sigCont)
	for _, x := range all {
		x.Type(strings.Repeat("Z", late))
	}
	tmuxtest.Eventually(w.t, func() bool { return w.keyBytes() >= typed+carols*late }, "the keys lie in the displays")
	w.reloaded(butOne)
	signal(w.t, w.server.PID, sigCont)
	w.server.Run("run-shell", "true")
	if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), "Z") }) {
		w.gain("%d keys are executed late", strings.Count(string(w.rec.Bytes()), "Z"))
	}
	if w.control {
		return
	}
	// Where a server does not say that it holds nothing more of somebody, they are put out.
	next := strings.Count(string(w.rec.Bytes()), "k")
	x := all[0]
	tmuxtest.Eventually(w.t, func() bool {
		if x.Exited() {
			x = w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
			all = append(all, x)
		}
		x.Type("k")
		return strings.Count(string(w.rec.Bytes()), "k") > next
	}, "carol's next key reaches the pane: %q", x.Screen())
	if strings.Contains(string(w.rec.Bytes()), "Z") {
		w.gain("keys are executed later still: %q", clip(w.rec.Bytes()))
	}
}

// keyBytes is how much has been typed, by the log. At a display that takes keys itself they are of the server.
func (w *world) keyBytes() (sum int) {
	for _, e := range w.AuditKind("keys") {
		sum += e.Bytes
	}
	return sum
}
