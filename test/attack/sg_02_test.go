package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob suggests a line of which carol's terminal shows only the begin at first, and she
// presses the key. In the control run it need not have been shown. When she has gone on to
// its end, exactly its bytes are typed.
func TestSG02NotShownToItsEnd(t *testing.T) {
	t.Parallel()
	text := "echo " + strings.Repeat("größe-", 120) + " ; harm "
	row{grants: suggesters, settings: byKey, teeth: "teeth_whole", attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		s := suggestions{w}
		x := w.attach(typist, tmuxtest.TerminalConfig{Cols: 60, Rows: 8}, "attach", "-t", "mwalice/shared")
		x.WaitFor("[shared]")
		s.suggest(viewer, suggestedIn, text)
		s.open(x, suggestedIn)
		x.Type("y")
		if w.control {
			if w.soon(func() bool { return s.arrives("harm") }) {
				w.gain("what was not shown is typed")
			}
			return
		}
		x.WaitTold("you have not been shown all of it")
		if s.arrives("echo") {
			w.gain("what was not shown is typed")
		}
		x.Type("G") // its end alone is not all of it
		x.WaitFor("; harm")
		x.Type("y")
		x.Type("g")
		x.WaitFor("1-6 of ")
		for page := range 2 {
			x.Type(" ")
			x.WaitFor([]string{"6-11 of ", "; harm"}[page])
		}
		if s.arrives("echo") {
			w.gain("what was not shown is typed")
		}
		x.Type("y")
		tmuxtest.Eventually(w.t, func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "; harm \r") }, "it is run")
		if !strings.HasSuffix(string(w.rec.Bytes()), text+"\r") {
			w.t.Errorf("it is typed as %q", w.rec.Bytes())
		}
	}}.run(t)
}
