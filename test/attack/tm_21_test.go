package attack

import (
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol asks for things that wait: for a signal that never comes, for a
// program without end, for a key of somebody else. She wants others to wait
// with her. What is offered ends by itself, what is not is refused at once,
// and others are served meanwhile. (In the control run she is the owner, at
// the server itself, where waiting is what wait-for is for.)
func TestTM21CommandsThatWait(t *testing.T) {
	t.Parallel()
	row{attack: func(w *world) {
		if w.control {
			alice := tmuxtest.As(w.t, owner)
			x := tmuxtest.Attach(w.t, tmuxtest.TerminalConfig{As: alice}, "-S", w.server.Socket, "wait-for", "never")
			if !within(time.Second, x.Exited) {
				w.gain("wait-for waits")
			}
			leave(x)
			return
		}
		deep := "x"
		for range 60 {
			deep = "if-shell -F 1 { " + deep + " }"
		}
		s := "mwalice/shared:0.0"
		for _, args := range [][]string{
			{"wait-for", "never"}, {"wait-for", "-L", "lock"}, {"run-shell", "sleep 1000"}, {"confirm-before", "kill-server"},
			{"command-prompt", "-t", "/dev/pts/0", "x"}, {"display-popup", "sleep 1000"}, {"display-menu", "a", "b", "c"}, {"lock-client"},
			{"lock-server"}, {"lock-session", "-t", s}, {"suspend-client"}, {"if-shell", "sleep 1000", "x"}, {"if-shell", "-F", "1", deep},
			{"display-panes", "-b"}, {"choose-tree", "-t", s}, {"copy-mode", "-t", s}, {"clock-mode", "-t", s},
			{"display-message", "-d", "1000000", "-t", s, "x"}, {"display-message", "-I", "-t", s},
		} {
			asked := time.Now()
			x := w.attach(typist, tmuxtest.TerminalConfig{}, args...)
			ended := soon(x.Exited)
			inTime(w.t, asked, 5*time.Second, "%.60q ends", args)
			if !ended {
				w.gain("%q waits for ever", args)
			}
			if code := x.ExitCode(); code == 0 {
				w.gain("%q was done", args)
			}
			w.note(typist, args, w.Tmux(typist, args...))
		}
		if out := w.Must(owner, "display-message", "-p", "-t", "shared", "served"); out != "served" {
			w.gain("the owner is not served")
		}
	}}.run(t)
}
