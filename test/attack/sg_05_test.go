package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol looks at what bob suggests for one program. Before she presses the key, another
// one runs in the pane. In the control run any program is the same.
func TestSG05AnotherProgramByThen(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_same,teeth_place", restless: true, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		other := tmuxtest.NewRecorder(w.t)
		x := s.at(typist)
		id := s.suggest(viewer, suggestedIn, "yes")
		s.open(x, suggestedIn)
		w.server.Run("respawn-pane", "-k", "-t", w.a, other.Command())
		other.WaitReady()
		x.Type("y")
		if w.control {
			if w.soon(func() bool { return other.Len() > 0 }) {
				w.gain("another program hears it: %q", other.Bytes())
			}
			return
		}
		tmuxtest.Eventually(w.t, func() bool { return s.answer(viewer, id) == "void" }, "the suggestion is void")
		x.WaitTold("not run: ")
		if other.Len() > 0 {
			w.gain("another program hears it: %q", other.Bytes())
		}
	}}.run(t)
}

// Carol looks at what bob suggests for a pane. Before she presses the key, alice has moved
// it to a session where neither of them may do anything. In the control run they may.
func TestSG05MovedAway(t *testing.T) {
	t.Parallel()
	const loose = suggesters + "  - {who: mwcarol, role: owner, on: mwalice, reason: control run}\n  - {who: mwbob, role: owner, on: mwalice, reason: control run}\n"
	row{grants: suggesters, loose: loose, settings: byKey, restless: true, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x := s.at(typist)
		s.suggest(viewer, "mwalice/shared:0.1", "moved")
		s.open(x, "mwalice/shared:0.1")
		if !w.control {
			w.server.Run("join-pane", "-d", "-s", w.b, "-t", "secret:")
		}
		x.Type("y")
		if w.control {
			if w.soon(func() bool { return w.side.Len() > 0 }) {
				w.gain("it is typed: %q", w.side.Bytes())
			}
			return
		}
		x.WaitTold("not run: ")
		if w.side.Len() > 0 {
			w.gain("it is typed where it lies now: %q", w.side.Bytes())
		}
	}}.run(t)
}
