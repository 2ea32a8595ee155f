package attack

import "testing"

// Carol looks at what bob suggests. Before she presses the key, he takes it back, and
// suggests something else in its place. In the control run the key is about whatever is
// suggested there.
func TestSG03SwappedUnderTheKey(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_shown", attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x := s.at(typist)
		id := s.suggest(viewer, suggestedIn, "harmless")
		s.open(x, suggestedIn)
		if r := w.Muxward(viewer, "suggest", "--take-back", id); r.Code != 0 {
			w.t.Fatalf("%+v", r)
		}
		s.suggest(viewer, suggestedIn, "harm-2")
		x.Type("y")
		if w.control {
			if w.soon(func() bool { return s.arrives("harm-2") }) {
				w.gain("what she was not shown is typed")
			}
			return
		}
		x.WaitTold("there is no open suggestion " + id)
		if s.arrives("harm") {
			w.gain("something is typed: %q", w.rec.Bytes())
		}
	}}.run(t)
}
