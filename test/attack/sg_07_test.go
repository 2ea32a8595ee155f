package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol may type into a shell of alice's, as an agent does, and suggests something for
// another pane of hers. She has alice's shell take it: by a display of alice's in that
// pane, and by a call of its own. In the control run every hand is alice's.
func TestSG07TakenByAPane(t *testing.T) {
	t.Parallel()
	const hands = `grants:
  - {who: mwcarol, role: suggester, on: mwalice/shared, reason: suggests}
  - {who: mwcarol, role: typist, on: "mwalice/hand:0.0", reason: types there}
  - {who: mwcarol, role: viewer, on: mwalice/hand, reason: looks}
`
	row{grants: hands, settings: byKey, teeth: "teeth_hand", restless: true, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		w.Must(owner, "new-session", "-d", "-x", "200", "-y", "49", "-s", "hand", "exec sh")
		x := w.attach(carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/hand")
		x.WaitFor("[hand]")
		id := s.suggest(carol, suggestedIn, "forged")
		if a := w.calls(owner, ctld.Call{Act: "suggestion", Request: id}); a.Error == "" {
			w.gain("a call takes it: %s", a.Value)
		}
		x.Type("TMUX= tmux attach -t shared\r")
		x.WaitFor("recording")
		if w.control {
			s.open(x, suggestedIn)
			x.Type("y")
			if w.soon(func() bool { return s.arrives("forged") }) {
				w.gain("alice's pane takes it: %q", w.rec.Bytes())
			}
			return
		}
		x.Type("\x1ba")
		x.Type("ybehind")
		tmuxtest.Eventually(w.t, func() bool { return s.arrives("behind") }, "what is typed there comes")
		if s.arrives("forged") || x.Told("suggests in") {
			w.gain("alice's pane is asked, or takes it: %q", w.rec.Bytes())
		}
		if got := s.answer(carol, id); got != "open" {
			w.gain("it is %q", got)
		}
		// Alice herself does, by the key in her own display.
		y := s.attach(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
		y.WaitFor("suggests in " + suggestedIn + ": forged") // it stays there
		s.open(y, suggestedIn)
		y.Type("y")
		tmuxtest.Eventually(w.t, func() bool { return s.arrives("forged\r") }, "alice's own key counts")
		w.server.Run("kill-session", "-t", "hand") // and with it the display in that pane
	}}.run(t)
}
