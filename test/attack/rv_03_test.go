package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol is in by each door at once: at a terminal, in control mode, by ssh, with a
// connection that others can share, and she has the keyboard of a pane. All is revoked
// from her once. She goes on where she is, and comes again by each way; and asks for the keyboard, which
// nobody is told of. In the control run nothing that is under way ends, and everybody may do everything.
func TestRV03EveryDoorAtOnce(t *testing.T) {
	t.Parallel()
	row{grants: typists, ssh: true, teeth: "teeth_revoke,teeth_decide,teeth_visible", restless: true, gains: 9, attack: func(w *world) {
		w.anyInput = true
		k := keyboards{w}
		mux := w.Base + "/mux"
		in := map[string]*tmuxtest.Terminal{
			"a terminal":   k.at(carol),
			"control mode": w.attach(carol, tmuxtest.TerminalConfig{}, "-C", "attach", "-t", "mwalice/shared"),
			"ssh": w.attachSSH(carol, tmuxtest.TerminalConfig{}, "-o", "ControlMaster=yes", "-o", "ControlPath="+mux,
				owner+"/shared@127.0.0.1"),
		}
		in["control mode"].WaitFor("%session-changed")
		in["ssh"].WaitFor("[shared]")
		k.lease(owner, "on", "-t", leasedPane, "--for", carol)
		if r := w.Muxward(root, "revoke", carol); r.Code != 0 && !w.control {
			w.t.Errorf("revoke: %+v", r)
		}
		in["a terminal"].Type("LATE")
		in["ssh"].Type("LATE")
		in["control mode"].Type("send-keys -t %0 LATE\r")
		for how, x := range in {
			soonIf(!w.control, x.Exited)
			if !x.Exited() {
				w.gain("by %s carol is still in", how)
			}
		}
		if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), "L") }) {
			w.gain("she has typed %q", w.rec.Bytes())
		}
		if now := k.told().Holder; now == carol && !w.control {
			w.gain("she has the keyboard still")
		}
		again := func(how string, code int) {
			if code == 0 {
				w.gain("she comes in again by %s", how)
			}
		}
		again("a command", w.Tmux(carol, "has-session", "-t", "mwalice/shared").Code)
		again("control mode", w.Tmux(carol, "-C", "attach", "-t", "mwalice/shared").Code)
		again("ssh", w.SSH(carol, "x@127.0.0.1", "has-session", "-t", "mwalice/shared").Code)
		again("her connection", w.Exec("root", []byte{}, "ssh", "-F", "none", "-o", "ControlPath="+mux, "-o", "BatchMode=yes",
			"x@127.0.0.1", "has-session", "-t", "mwalice/shared").Code)
		// Who has the keyboard is told so when they ask: here it is somebody else.
		k.lease(owner, "take", "-t", leasedPane)
		again("asking for the keyboard", w.Muxward(carol, "lease", "ask", "-t", leasedPane).Code)
	}}.run(t)
}
