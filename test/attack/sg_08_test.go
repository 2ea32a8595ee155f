package attack

import "testing"

// Carol looks at what bob suggests. Then alice has the keyboard of the pane, and carol
// presses the key. In the control run a lease keeps nobody from typing.
func TestSG08AnotherHasTheKeyboard(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_lease", restless: true, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x := s.at(typist)
		id := s.suggest(viewer, suggestedIn, "leased")
		s.open(x, suggestedIn)
		if r := w.Muxward(owner, "lease", "on", "-t", suggestedIn); r.Code != 0 {
			w.t.Fatalf("%+v", r)
		}
		x.Type("y")
		if w.control {
			if w.soon(func() bool { return s.arrives("leased") }) {
				w.gain("carol runs it without having the keyboard")
			}
			return
		}
		x.WaitTold("not run: ")
		if got := s.answer(viewer, id); s.arrives("leased") || got != "open" {
			w.gain("it is %s: %q", got, w.rec.Bytes())
		}
	}}.run(t)
}
