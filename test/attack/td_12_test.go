package attack

import (
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob looks at a pane that prints without end, and reads nothing: his terminal
// is full and his client is stopped. He wants muxward to keep all of it for
// him, and others to wait for him. A little is kept, the rest is dropped, and
// others notice nothing; he can still be detached.
func TestTD12TerminalNeverRead(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_queue", restless: true, grants: standardGrants +
		"  - {who: mwbob, role: viewer, on: mwalice/flood, reason: looks}\n", attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-x", "200", "-y", "60", "-s", "flood", "cat")
		bob := w.attach(viewer, tmuxtest.TerminalConfig{Cols: 200, Rows: 60}, "attach", "-t", "mwalice/flood")
		bob.WaitFor("flood")
		bob.Pause()
		bob.Signal(syscall.SIGSTOP)
		first := w.measure()
		w.server.Run("new-window", "-t", "flood", "yes \"$(printf '%0190d' 7)\"")
		grown := func() bool { return w.measure().rss > first.rss+8<<10 }
		wait := 3 * time.Second
		if w.control { // however busy the machine is
			wait = tmuxtest.Patience
		}
		if within(wait, grown) {
			w.gain("muxward keeps %d KiB for somebody who does not read", w.measure().rss-first.rss)
		}
		if out := w.Must(owner, "display-message", "-p", "-t", "shared", "served"); out != "served" {
			w.gain("the owner is not served: %q", out)
		}
		w.Must(owner, "detach-client", "-s", "flood")
		w.Must(owner, "kill-session", "-t", "flood")
		bob.Signal(syscall.SIGCONT)
		bob.Resume()
		if code := bob.ExitCode(); code != 0 && !w.control {
			w.t.Errorf("bob's client exits %d", code)
		}
	}}.run(t)
}
