package attack

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Carol asks for things that wait: for a signal that never comes, for a
// program without end, for a key of somebody else, for the end of a million
// braces. She wants others to wait with her. What is offered ends by itself,
// what is not is refused at once, and others are served meanwhile. In the
// control run she holds every verb, and what she types at tmux's own prompt
// does wait, until it is let go.
func TestTM21CommandsThatWait(t *testing.T) {
	t.Parallel()
	row{loose: everyVerb, restless: true, attack: func(w *world) {
		if w.control {
			w.waits()
			return
		}
		s := "mwalice/shared:0.0"
		for _, args := range [][]string{
			{"wait-for", "never"}, {"wait-for", "-L", "lock"}, {"run-shell", "-t", s, "sleep 1000"}, {"confirm-before", "kill-server"},
			{"command-prompt", "-t", "/dev/pts/0", "x"}, {"display-popup", "sleep 1000"}, {"display-menu", "a", "b", "c"}, {"lock-client"},
			{"lock-server"}, {"lock-session", "-t", s}, {"suspend-client"}, {"if-shell", "-t", s, "sleep 1000", "x"},
			{"if-shell", "-F", "-t", s, "1", nested(60)}, {"if-shell", "-F", "-t", s, "1", nested(800)},
			{"display-panes", "-b"}, {"choose-tree", "-t", s}, {"copy-mode", "-t", s}, {"clock-mode", "-t", s},
			{"display-message", "-d", "1000000", "-t", s, "x"}, {"display-message", "-I", "-t", s},
		} {
			asked := time.Now()
			x := w.attach(typist, tmuxtest.TerminalConfig{}, args...)
			ended := soon(x.Exited)
			inTime(w.t, asked, 5*time.Second, "%.60q ends", args[0])
			if !ended {
				w.gain("%q waits for ever", args[0])
			}
			if code := x.ExitCode(); code == 0 {
				w.gain("%q was done", args[0])
			}
			w.note(typist, args, w.Tmux(typist, args...))
			w.served(args[0])
		}
		w.deep()
	}}.run(t)
}

// nested is a command in so many others.
func nested(depth int) string {
	return strings.Repeat("if -F 1 { ", depth) + "x" + strings.Repeat(" }", depth)
}

// deep sends what is nested a million deep, or as deep as it can be sent: as
// much as one argument may hold, as much as one message may, and as much as
// somebody cares to type at the prompt.
func (w *world) deep() {
	w.t.Helper()
	const argument, s = 128<<10 - 1, "mwalice/shared:0.0"
	if r := w.Tmux(typist, "if-shell", "-F", "-t", s, "1", nested(1_000_000)[:argument]); r.Code == 0 {
		w.gain("a command of %d bytes was done", argument)
	}
	message := strings.Repeat("{", 16384-16-4-len("if-shell -F -t  1 ")-len(s)-1)
	h := &wire.Hello{Cwd: "/", PID: int32(os.Getpid()), Argv: []string{"if-shell", "-F", "-t", s, "1", message}}
	if attached, text := w.ask(h); attached || !strings.Contains(text, "not permitted: configure") {
		w.gain("%d braces in a message: %v %q", len(message), attached, clip([]byte(text)))
	}
	x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	if n := w.rec.Len(); n > 0 {
		w.gain("pane a received %d bytes", n)
	}
	x.Type("\x02:if-shell -F 1 ")
	for range 1000 { // a million
		x.Type(strings.Repeat("{", 1000))
	}
	x.Type("\r")
	w.served("a million braces at the prompt")
	leave(x)
	w.anyInput = true // where there is no prompt, they are keys
}

// served fails unless the owner is answered.
func (w *world) served(meanwhile string) {
	w.t.Helper()
	if out := w.Must(owner, "display-message", "-p", "-t", "shared", "served"); out != "served" {
		w.gain("the owner is not served after %s", meanwhile)
	}
}

// waits has carol wait at tmux's prompt, which who holds every verb has.
func (w *world) waits() {
	w.t.Helper()
	x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	name := func() string { return w.server.Run("display-message", "-p", "-t", w.a, "#{window_name}") }
	x.Type("\x02:")
	tmuxtest.Eventually(w.t, func() bool { // not the ":" of a clock
		screen := x.Screen()
		return strings.HasPrefix(screen[len(screen)-1], ":")
	}, "the prompt is open")
	x.Type("wait-for never ; rename-window waited\r")
	if within(time.Second, func() bool { return name() == "waited" }) {
		return
	}
	w.gain("wait-for waits")
	w.server.Run("wait-for", "-S", "never")
	tmuxtest.Eventually(w.t, func() bool { return name() == "waited" }, "what waited is done once it is let go")
	leave(x)
}
