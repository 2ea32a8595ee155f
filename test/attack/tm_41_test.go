package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Somebody has Carol's terminal answer questions: what it is, what is in its
// clipboard, what its title is, which colours it has. What it says looks like
// keys, and holds commands. He wants it typed into the pane that she may type
// into. Nothing of it is, however it is cut, and what she types herself around it
// is.
func TestTM41AnswersOfTheTerminal(t *testing.T) {
	t.Parallel()
	const st = "\x1b\\"
	answers := []string{
		"\x1b]52;c;dG91Y2ggeA0K\a", "\x1b]52;c;dG91Y2ggeA0K" + st, "\x1b]ltouch x" + st, "\x1b]Ltouch x" + st, "\x1b]11;rgb:0000/0000/0000\a", "\x1b]4;1;touch x" + st,
		"\x1bP>|touch x" + st, "\x1bP1$rtouch x" + st, "\x1bP0+r746f756368" + st, "\x1bP!|touch x" + st, "\x1b_Gi=1;touch x" + st,
		"\x1b[?1;2c", "\x1b[>41;390;0c", "\x1b[0n", "\x1b[24;80R", "\x1b[?24;80R", "\x1b[8;24;80t", "\x1b[?2026;2$y", "\x1b[?1u", "\x1b[>4;2m", "\x1b[?997;1n", "\x1b[1t",
		"\x1b[I", "\x1b[O", "\x1b[<0;1;1M", "\x1b[<0;1;1m", "\x1b[M !!", "\x1b[32;1;1M", "\x1b[97;5:3u", "\x1b[1;1:3A", "\x1b[57441u", "\x1b[65;30;97;1;0;1_",
	}
	row{teeth: "teeth_replies", restless: true, attack: func(w *world) {
		x := w.attach(carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		for i, answer := range answers {
			w.rec.Reset()
			x.Type("<" + answer + ">")
			for i := range len(answer) {
				x.Type(answer[i : i+1])
			}
			x.Type("#")
			const all = "<>#"
			tmuxtest.Eventually(w.t, func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "#") }, "what is typed around %q", answer)
			if got := string(w.rec.Bytes()); got != all {
				w.gain("%q: the pane got %q", answer, got)
			}
			if i == len(answers)-1 {
				w.permit(all)
			}
		}
	}}.run(t)
}
