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
		x.Type("   y") // typed ahead: the first key turns a page, and the others count for nothing
		x.WaitFor("6-11 of 18  y runs it")
		x.Type("G") // its end alone is not all of it
		x.WaitFor("13-18 of 18  y runs it")
		x.Type("y")
		x.Type("g")
		for page := range 4 {
			x.WaitFor([]string{"1-6", "6-11", "11-16", "13-18"}[page] + " of 18  y runs it")
			if page < 3 {
				x.Type(" ")
			}
		}
		if s.arrives("echo") {
			w.gain("what was not shown is typed")
		}
		x.Type("y")
		tmuxtest.Eventually(w.t, func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "; harm \r") }, "it is run")
		// The key that opens it may have come to the pane before she was told.
		if strings.ReplaceAll(string(w.rec.Bytes()), "\x1ba", "") != text+"\r" {
			w.t.Errorf("it is typed as %q", w.rec.Bytes())
		}
	}}.run(t)
}
