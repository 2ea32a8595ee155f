package attack

import (
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob's laptop was stolen while he was attached. His key is taken from the list, or
// revoked, and whoever sits there goes on looking, and opens one more session on the
// connection that is there. What a connection rests on is looked at again when the
// lists change.
func TestSS05KeyTakenAway(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(w *world){
		"removed": func(w *world) { w.WriteSSH("keys/"+viewer+".keys", "# stolen\n") },
		"revoked": func(w *world) { w.WriteSSH("revoked", w.PublicKey(viewer)) },
	} {
		t.Run(name, func(t *testing.T) {
			row{ssh: true, teeth: "teeth_ssh", attack: func(w *world) {
				mux := w.Base + "/mux"
				x := w.attachSSH(viewer, tmuxtest.TerminalConfig{}, "-o", "ControlMaster=yes", "-o", "ControlPath="+mux, owner+"/shared@127.0.0.1")
				x.WaitFor("[shared]")
				take(w)
				w.Signal(syscall.SIGHUP)
				soonIf(!w.control, x.Exited)
				if !x.Exited() {
					w.gain("bob is still attached")
				}
				if r := w.Exec("root", []byte{}, "ssh", "-F", "none", "-o", "ControlPath="+mux, "-o", "BatchMode=yes", "x@127.0.0.1", "ls"); r.Code == 0 {
					w.gain("bob's connection still serves him: %q", r.Out)
				}
				if r := w.SSH(viewer, "x@127.0.0.1", "ls"); r.Code == 0 {
					w.gain("bob comes in again")
				}
			}}.run(t)
		})
	}
}

// Carol types while the owner's tmux server is stopped, and her key is removed from the
// list. What she typed was sent and is not done: with her connection it is taken back,
// and is not typed when the server goes on.
func TestSS05KeysUnderWay(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh", restless: true, attack: func(w *world) {
		x := w.attachSSH(typist, tmuxtest.TerminalConfig{}, owner+"/shared@127.0.0.1")
		x.WaitFor("[shared]")
		w.permit("a")
		x.Type("a")
		w.rec.WaitLen(1)
		signal(t, w.server.PID, sigStop)
		defer signal(t, w.server.PID, sigCont)
		x.Type("STOLEN")
		tmuxtest.Eventually(t, func() bool { return w.sumByLog() > 1 }, "the keys are on their way")
		w.WriteSSH("keys/"+typist+".keys", "# stolen\n")
		w.Signal(syscall.SIGHUP)
		if !w.control {
			tmuxtest.Eventually(t, x.Exited, "her connection ends")
		}
		signal(t, w.server.PID, sigCont)
		w.server.Run("run-shell", "true")
		if soonIf(w.control, func() bool { return w.rec.Len() > 1 }) {
			w.gain("typed late: %q", w.rec.Bytes())
		}
	}}.run(t)
}
