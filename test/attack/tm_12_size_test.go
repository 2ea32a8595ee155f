package attack

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob may look, and his terminal is small. He wants everybody else's picture
// to be as small. Whoever may not resize does not, also where nobody else is
// attached whose size would count.
func TestTM12SizeOfAViewer(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_size", attack: func(w *world) {
		before := w.sizeOf("shared")
		bob := w.attach(viewer, tmuxtest.TerminalConfig{Cols: 41, Rows: 11}, "attach", "-t", "mwalice/shared")
		w.soon(func() bool { return len(bob.Bytes()) > 0 })
		bob.Resize(120, 50)
		if soonIf(w.control, func() bool { return w.sizeOf("shared") != before }) {
			w.gain("the window was %s and is %s", before, w.sizeOf("shared"))
		}
	}}.run(t)
}

// A program in a pane gives bob's display a say in the size of windows, past
// muxward, which then are as small as bob's terminal; or it takes the say from
// all others. He wants them to follow whatever size he has from now on. The say is
// taken back from him before any new size of his counts, and the log has an alarm;
// where nobody else has one, his display ends.
func TestTM12SizeGivenPastMuxward(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_unsized", gains: 2, restless: true, attack: func(w *world) {
		come := func() *tmuxtest.Terminal {
			x := w.attach(viewer, tmuxtest.TerminalConfig{Cols: 41, Rows: 11}, "attach", "-t", "mwalice/shared")
			x.WaitFor("recording")
			return x
		}
		bob := come()
		display := w.displayOf("shared")
		given := func() {
			w.server.Run("refresh-client", "-t", display, "-f", "!ignore-size")
			if !w.control {
				tmuxtest.Eventually(w.t, func() bool { return !w.counts(display) }, "the say is taken back")
			}
		}
		given()
		w.follows(bob, 120, 50)

		given()
		// The window has bob's size, so nothing is drawn by which it would be noticed.
		w.server.Run("refresh-client", "-t", display, "-f", "!ignore-size")
		w.follows(bob, 70, 30)
		if !w.control {
			tmuxtest.Eventually(w.t, func() bool {
				return slices.ContainsFunc(w.Audit(), func(e host.Event) bool {
					return e.Kind == "alarm" && e.Person == viewer && strings.Contains(e.Note, "a say in the size of windows")
				})
			}, "the log has an alarm")
		}

		leave(bob)
		tmuxtest.Eventually(w.t, func() bool { return len(w.displaysBut("")) == 0 }, "bob has left")
		bob = come()
		for name := range strings.FieldsSeq(w.server.Run("list-clients", "-F", "#{client_name}")) {
			w.server.Run("refresh-client", "-t", name, "-f", "ignore-size")
			if w.counts(name) {
				tmuxtest.Missing(w.t, "another client is called %s, too, and cannot be named: who has the only say was not looked at", name)
				return
			}
		}
		w.follows(bob, 90, 40)
		if !w.control {
			tmuxtest.Eventually(w.t, bob.Exited, "bob's display ends")
		}
	}}.run(t)
}

// follows gives somebody's terminal another size, and it is a gain if that makes
// the window follow.
func (w *world) follows(x *tmuxtest.Terminal, cols, rows int) {
	w.t.Helper()
	before := w.sizeOf("shared")
	x.Resize(cols, rows)
	if soonIf(w.control, func() bool { return w.sizeOf("shared") != before }) {
		w.gain("the window was %s and is %s: the terminal is %dx%d", before, w.sizeOf("shared"), cols, rows)
	}
}

// sizeOf is the size of a session's window.
func (w *world) sizeOf(session string) string {
	w.t.Helper()
	return w.server.Run("display-message", "-p", "-t", session, "#{window_width}x#{window_height}")
}

// counts reports whether some client of that name has a say in the size of windows.
func (w *world) counts(client string) bool {
	w.t.Helper()
	for l := range strings.Lines(w.server.Run("list-clients", "-F", "#{client_name} #{client_flags}")) {
		if name, flags, _ := strings.Cut(l, " "); name == client && !strings.Contains(flags, "ignore-size") {
			return true
		}
	}
	return false
}

// Bob's terminal is small, and he comes and goes, or is sent away. He wants
// windows to be as small as his terminal for the moment in which he leaves: they
// would stay so when nobody else is attached.
func TestTM12SizeOfLeaving(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_unsized", attack: func(w *world) {
		before := w.sizeOf("shared")
		for i := range soak.N(2000, 20) {
			bob := w.attach(viewer, tmuxtest.TerminalConfig{Cols: 41, Rows: 11}, "attach", "-t", "mwalice/shared")
			bob.WaitFor("recording")
			switch i % 3 {
			case 0:
				bob.Type("\x02d")
			case 1:
				bob.HangUp()
			case 2:
				w.server.Run("detach-client", "-t", w.displayOf("shared"))
			}
			w.soon(func() bool { return bob.Exited() && len(w.displaysBut("")) == 0 })
			if now := w.sizeOf("shared"); now != before {
				w.gain("time %d: the window was %s and is %s", i, before, now)
				break
			}
		}
	}}.run(t)
}
