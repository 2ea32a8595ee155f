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
