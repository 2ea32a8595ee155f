package attack

import (
	"bytes"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob would have a line run twice: alice and carol look at it, and both press the key. In
// the control run it is answered as often as somebody does.
func TestSG06TakenTwice(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_once_answered", restless: true, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x, y := s.at(typist), s.at(owner)
		s.suggest(viewer, suggestedIn, "once")
		s.open(x, suggestedIn)
		s.open(y, suggestedIn)
		var both sync.WaitGroup
		both.Go(func() { x.Type("y") })
		both.Go(func() { y.Type("y") })
		both.Wait()
		if w.control {
			if w.soon(func() bool { return bytes.Count(w.rec.Bytes(), []byte("once\r")) == 2 }) {
				w.gain("it is run twice")
			}
			return
		}
		tmuxtest.Eventually(w.t, func() bool {
			won, lost := "run: once", "not run: "
			return x.Told(won) && y.Told(lost) || y.Told(won) && x.Told(lost)
		}, "one of them has run it, the other not")
		tmuxtest.Eventually(w.t, func() bool { return s.arrives("once\r") }, "it is run")
		if n := bytes.Count(w.rec.Bytes(), []byte("once")); n != 1 {
			w.gain("it is run %d times", n)
		}
	}}.run(t)
}
