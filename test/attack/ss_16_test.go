package attack

import (
	"testing"
	"unicode"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Alice gives her sessions names that are to do something to bob's terminal, or to make
// one look like another, when he reads the list of the SSH door. Somebody has him run a
// line that comes back in an error. What others chose is shown to him, and nothing of it
// is obeyed.
func TestSS16Names(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh", restless: true, unlogged: true, attack: func(w *world) {
		w.server.Run("rename-session", "-t", "shared", "\u202edetrahs\u2069\u200b\u2028")
		x := w.attachSSH(viewer, tmuxtest.TerminalConfig{Term: "dumb"}, "-o", "SetEnv=LANG=C.UTF-8", "x@127.0.0.1")
		x.WaitFor("you are " + viewer)
		x.Type("q\r")
		x.ExitCode()
		w.obeyed("the list", string(x.Bytes()))
		for _, line := range []string{"tmux \x1b]0;evil\x07", "tmux has-session -t '\x1b[2J\u009b2J'", "tmux has -t \u202egnp.exe", "\x1b[6n", "tmux display-message -p \x9b6n"} {
			r := w.SSH(viewer, "x@127.0.0.1", line)
			w.obeyed("the answer to a line", r.Out+r.Err)
		}
	}}.run(t)
}

// obeyed notes what of a text a terminal would not simply show.
func (w *world) obeyed(what, text string) {
	w.t.Helper()
	for _, c := range text {
		if c != '\r' && c != '\n' && c != '\t' && !unicode.IsPrint(c) && c != '\u2068' && c != '\u2069' || c == '\b' {
			w.gain("%s has %U: %q", what, c, text)
			return
		}
	}
}
