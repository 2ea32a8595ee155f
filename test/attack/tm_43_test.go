package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob types into a shell of alice's, at a place of his own. Alice ends it just as he
// goes on typing: she wants his keys typed into the pane beside it, of which his screen
// does not say yet that it is selected.
func TestTM43SelectedUnseen(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwbob, verbs: [view, type], on: \"mwalice/place:0\", reason: he helps}\n"
	row{grants: sees, teeth: "teeth_selected", restless: true, paused: true, attack: func(w *world) {
		w.anyInput = true
		w.place("cat")
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/place:0.1")
		bob.WaitFor("for mwbob alone")
		beside := func() string { return w.server.Run("capture-pane", "-p", "-t", "place:0.0") }
		bob.Type("begun\r")
		bob.WaitFor("begun")
		w.between("seat-output", func() { w.server.Run("kill-pane", "-t", "place:0.1") }, func() {
			bob.Type("secret\r")
			// He is told for a moment only, which may be over before anybody looks.
			told := func() bool { return bytes.Contains(bob.Bytes(), []byte("not typed: the pane ")) }
			if !soon(func() bool { return told() || strings.Contains(beside(), "secret") }) {
				w.t.Error("bob is told nothing of what was not typed")
			}
		})
		if strings.Contains(beside(), "secret") {
			w.gain("what bob types goes to the pane beside the one that he sees")
		}
		// Once he is shown that it is selected, what he types is for it.
		tmuxtest.Eventually(w.t, func() bool {
			bob.Type("after\r")
			return strings.Contains(beside(), "after")
		}, "bob types on")
		leave(bob)
	}}.run(t)
}
