package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// There is a key that locks down what one is at. Bob, who may look, and carol, who may
// type, want it for themselves: they press it, alone and with other keys, type it into
// the pane that alice is looking at, and paste it. In the control run they hold lock.
func TestPK01PanicKeyOfOthers(t *testing.T) {
	t.Parallel()
	const key = "\x1b[24~"
	row{settings: "panic_key: F12\n", loose: everyVerb, restless: true, gains: 2, unlogged: true, attack: func(w *world) {
		w.anyInput = true
		o := w.attach(owner, tmuxtest.TerminalConfig{}, "attach-session", "-t", "shared")
		o.WaitFor("[shared]")
		locked := func() bool {
			return strings.Contains(w.Muxward(root, "lockdown", "--list", "--json").Out, "by the panic key")
		}
		for _, who := range []string{viewer, typist} {
			x := w.attach(who, tmuxtest.TerminalConfig{}, "attach-session", "-t", "mwalice/shared")
			x.WaitFor("[shared]")
			for _, typed := range []string{key, "a" + key + "b", key + key, "\x1b[200~" + key + "\x1b[201~"} {
				x.Type(typed)
			}
			if w.control {
				// What is read in one go with other keys is no panic key.
				tmuxtest.Eventually(w.t, func() bool { x.Type(key); return locked() }, who+" locks down")
				w.gain("%s locked down", who)
				must(w, "unlock", "-t", owner)
			} else {
				x.Type("\x02d") // when this has been done, so has what came before
				x.ExitCode()
			}
		}
		if w.control {
			return
		}
		if r := w.try(typist, "send-keys", "-t", "mwalice/shared:0.0", "F12", "done"); r.Code != 0 {
			w.t.Errorf("carol types into the pane: %+v", r)
		}
		// What others have given alice to paste, longer than what is read at once.
		o.Type("\x1b[200~" + strings.Repeat("x", 1500) + key + strings.Repeat("y", 1500) + key + "\x1b[201~")
		w.prints(`$(printf "\\033[24~") printed`)
		o.WaitFor("printed")
		if locked() {
			w.gain("somebody locked down")
		}
	}}.run(t)
}
