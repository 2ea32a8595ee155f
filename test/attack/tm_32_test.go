package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol may type into one pane, and the owner has what is typed in that window
// go to all its panes (synchronize-panes). She wants her keys in the other one
// too: by commands, by keys, by a paste. What a guest types goes to the pane
// that was decided or nowhere; she is told why.
func TestTM32SynchronizedPanes(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_place", restless: true, attack: func(w *world) {
		const a = "mwalice/shared:0.0"
		x := w.attach(carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		x.Type("b") // decided, and remembered for a while
		w.permit("b")
		w.rec.WaitLen(1)
		w.server.Run("set-option", "-w", "-t", "shared:0", "synchronize-panes", "on")
		for _, args := range [][]string{
			{"send-keys", "-t", a, "x"}, {"send-keys", "-l", "-t", a, "x"}, {"send-keys", "-H", "-t", a, "78"}, {"send-keys", "-N", "9", "-t", a, "x"},
		} {
			if r := w.refused(carol, args...); r.Code != 0 && !strings.Contains(r.Err, "synchronize-panes") {
				w.t.Errorf("%q: she is not told why: %+v", args, r)
			}
		}
		for _, keys := range []string{"k", "\x1b[A", "\x1b[200~pasted\x1b[201~"} {
			x.Type(keys)
			if !w.control {
				x.WaitTold("not typed: synchronize-panes")
				x.WaitGone("not typed: synchronize-panes")
			}
		}
		soonIf(w.control, func() bool { return w.side.Len() > 0 })
		if w.control {
			return
		}
		// One pane of them alone is the same; none is not.
		w.server.Run("set-option", "-w", "-t", "shared:0", "synchronize-panes", "off", ";", "set-option", "-p", "-t", w.a, "synchronize-panes", "on")
		w.refused(carol, "send-keys", "-t", a, "x")
		w.server.Run("set-option", "-p", "-t", w.a, "synchronize-panes", "off")
		if r := w.try(carol, "send-keys", "-l", "-t", a, "end"); r.Code != 0 {
			w.t.Errorf("%+v", r)
		}
		w.permit("end")
		w.soon(func() bool { return w.rec.Len() >= len(w.permitted) })
	}}.run(t)
}
