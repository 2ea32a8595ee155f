package attack

import (
	"testing"
)

// Carol may type into one pane, and send-keys can do more than type: a
// thousand million keys at once, keys for tmux itself, commands of a mode, a
// reset of the terminal, formats. The table decides about each flag, and
// repeats have a bound.
func TestTM22FlagsOfSendKeys(t *testing.T) {
	t.Parallel()
	const a = "mwalice/shared:0.0"
	row{teeth: "teeth_guest", attack: func(w *world) {
		for _, args := range [][]string{
			{"-N", "1000000000", "x"}, {"-N", "1001", "x"}, {"-N", "-1", "x"}, {"-N", "99999999999999999999", "x"}, {"-N", "1e3", "x"},
			{"-K", "C-b", "c"}, {"-M"}, {"-X", "cancel"}, {"-X", "pipe", w.lure()}, {"-X", "copy-pipe", w.lure()}, {"-R"},
			{"-F", "#(" + w.lure() + ")"}, {"-c", "/dev/pts/0", "x"},
		} {
			if w.control && args[0] == "-N" && args[1] != "1001" {
				continue // that would be a test of patience
			}
			w.refused(typist, append([]string{"send-keys", "-t", a}, args...)...)
		}
		for _, name := range []string{"send-prefix", "send-keys"} {
			w.refused(typist, name, "-t", "mwalice/shared:0.1")
		}
		w.refused(typist, "send-keys", "-t", "mwalice/shared:0.1", "x")
		if r := w.try(typist, "send-prefix", "-t", a); r.Code == 0 {
			w.permit("\x02") // a key like any other
		}
		if r := w.try(typist, "send-keys", "-t", a, "-N", "1000", "y"); r.Code == 0 {
			for range 1000 {
				w.permit("y")
			}
		}
		w.soon(func() bool { return w.rec.Len() >= len(w.permitted) })
	}}.run(t)
}
