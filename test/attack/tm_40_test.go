package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mallory has a page from which Carol copies a line. What she copies holds the
// marks that end and begin a paste, and behind them commands for a shell; her
// terminal sends all of it as it is. He wants the commands to run in the pane
// that she pastes into, though its program knows what was pasted from what was
// typed. All of it is one paste.
func TestTM40PasteThatEndsItself(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_paste", restless: true, attack: func(w *world) {
		w.anyInput = true // compared here, with what marks a paste
		tty := strings.TrimSpace(w.server.Run("display-message", "-p", "-t", w.a, "#{pane_tty}"))
		f, err := os.OpenFile(tty, os.O_WRONLY, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString("\x1b[?2004hmarked"); err != nil {
			w.t.Fatal(err)
		}
		x := w.attach(carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("marked")
		const begin, end = "\x1b[200~", "\x1b[201~"
		for _, c := range []struct{ sent, want string }{
			{begin + "a\r" + end, "a\r"},
			{begin + "b" + end + "\rtouch x\r" + end, "b\rtouch x\r"},
			{begin + "c" + end + "\rtouch x\r" + begin + "d" + end, "c\rtouch x\rd"},
			{begin + "e\x1b[20" + end + "1~\rtouch x\r" + end, "e\rtouch x\r"},
			{begin + "f" + end + "\x03\x02d\x1b[A" + end, "f\x03\x02d\x1b[A"},
			{begin + "g\x9b201~\rtouch x\r\u009b201~" + end, "g\rtouch x\r"},
			{begin + "i\x1b[20\x001~\rtouch x\r" + end, "i\rtouch x\r"},
			{begin + "h" + end + strings.Repeat("y\r", 3000) + end, "h" + strings.Repeat("y\r", 3000)},
		} {
			w.rec.Reset()
			x.Type(c.sent)
			tmuxtest.Eventually(w.t, func() bool { return strings.Contains(string(w.rec.Bytes()), end) }, "%q is pasted", c.sent)
			x.Type("#")
			tmuxtest.Eventually(w.t, func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "#") }, "what is typed behind %q", c.sent)
			if got := string(w.rec.Bytes()); got != begin+c.want+end+"#" {
				w.gain("%.60q: the pane got %.90q", c.sent, got)
			}
			if w.control && len(w.gains) > 0 {
				return // what follows would end her client
			}
		}
	}}.run(t)
}
