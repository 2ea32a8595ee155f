package attack

import (
	"bytes"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may look. He asks for something, and wants what muxward has ready for him to
// be shown though he has been revoked before his client has it: at the end of a
// command, when its permit is over and its output waits to be sent with the exit,
// or while a later command of his line keeps him.
func TestRV01AnswersThatWait(t *testing.T) {
	t.Parallel()
	asks := []string{"display-message", "-p", "-t", "mwalice/shared", "seen-#{pane_width}"}
	row{teeth: "teeth_revoke", restless: true, paused: true, attack: func(w *world) {
		revoke := func(args ...string) {
			w.t.Helper()
			if r := w.Muxward(root, append([]string{"revoke", viewer}, args...)...); r.Code != 0 {
				w.t.Errorf("revoke %q: %+v", args, r)
			}
		}
		var x *tmuxtest.Terminal
		shown := func() bool { return bytes.Contains(x.Bytes(), []byte("seen-80")) }
		w.between("tmuxd-answer", func() { x = w.attach(viewer, tmuxtest.TerminalConfig{}, asks...) }, func() {
			if shown() {
				w.t.Error("the answer was not held: this is no test")
			}
			revoke()
		})
		if code := x.ExitCode(); shown() {
			w.gain("bob was shown what he had asked for, exit %d", code)
		} else if code == 0 {
			w.t.Errorf("bob is not told that something was kept from him:\n%s", x.Bytes())
		}
		if w.control {
			return
		}
		revoke("--undo")
		w.between("tmuxd-answer", func() { x = w.attach(viewer, tmuxtest.TerminalConfig{}, asks...) }, func() {
			if r := w.Muxward(root, "revoke", stranger); r.Code != 0 {
				w.t.Errorf("revoke %s: %+v", stranger, r)
			}
		})
		if code := x.ExitCode(); code != 0 || !shown() {
			w.t.Errorf("bob is not told what he asked for as somebody else was revoked, exit %d:\n%s", code, x.Bytes())
		}
		w.between("gateway-written", func() {
			x = w.attach(viewer, tmuxtest.TerminalConfig{}, append(asks, ";", "list-windows", "-t", "mwalice/shared")...)
		}, func() {
			tmuxtest.Eventually(w.t, shown, "bob sees what he asked for before his line goes on")
		})
		x.ExitCode()
	}}.run(t)
}
