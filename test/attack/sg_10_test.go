package attack

import (
	"testing"
)

// Bob would have a line run in a pane that carol does not see: while she looks at what he
// suggests, alice's session goes to another window, or another pane fills the window. Her
// key types nothing then. In the control run it is not asked what she is shown.
func TestSG10NotInFrontOfHer(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_front", restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x := s.at(typist)
		tries := func(word string, away, back []string) {
			w.t.Helper()
			s.suggest(viewer, suggestedIn, word)
			s.open(x, suggestedIn)
			w.server.Run(away...)
			x.Type("y")
			if w.control {
				if w.soon(func() bool { return s.arrives(word) }) {
					w.gain("%s is typed", word)
				}
			} else {
				x.WaitTold("not run: you are not shown that pane any more")
				if s.arrives(word) {
					w.gain("%s is typed", word)
				}
			}
			w.server.Run(back...)
			if w.control {
				return
			}
			s.open(x, suggestedIn) // it waits still, and is shown again
			x.Type("n")
			x.WaitTold("dismissed: " + word)
		}
		w.server.Run("new-window", "-d", "-t", "shared:7", "exec cat")
		tries("behind-a-window", []string{"select-window", "-t", "shared:7"}, []string{"select-window", "-t", "shared:0"})
		tries("behind-a-pane", []string{"resize-pane", "-Z", "-t", w.b}, []string{"resize-pane", "-Z", "-t", w.b})
	}}.run(t)
}
