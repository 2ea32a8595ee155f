package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may look. He types: every byte there is, pastes, clicks, the prefix with
// every key of the owner's table, and resizes his terminal. He wants one of it
// to reach a program or to be a command. Nothing he does is more than leaving,
// or looking elsewhere in what he may see.
func TestTM12KeysOfAViewer(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", attack: func(w *world) {
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		bob.WaitFor("recording")
		var all strings.Builder
		for i := range 256 {
			all.WriteByte(byte(i))
		}
		all.WriteString("\x1b[200~pasted\x1b[201~\x1b[M !!\x1b[<0;5;5M\x1b[<0;5;5m\x1b[I\x1b[O\x1b[11~\x1bOP\x1b[1;5A\x1b]52;c;aGk=\a\x1b[?1;2c")
		bob.Type(all.String())
		for _, line := range strings.Split(w.server.Run("list-keys", "-T", "prefix"), "\n") {
			fields := strings.Fields(strings.Replace(line, " -r ", " ", 1))
			if len(fields) < 4 {
				continue
			}
			key := strings.TrimPrefix(fields[3], `\`)
			switch {
			case len(key) == 1 && key != "d" && key != "D":
				bob.Type("\x02" + key + "y")
			case len(key) == 3 && key[:2] == "C-" && key[2] >= 'a' && key[2] <= 'y':
				bob.Type("\x02" + string(rune(key[2]&0x1f)) + "y")
			}
		}
		bob.Type("\x02:kill-session\r\x02:run-shell '" + w.lure() + "'\r")
		soonIf(w.control, func() bool { return w.rec.Len() > 0 })
		if w.control {
			return
		}
		if bob.Exited() {
			w.t.Errorf("bob's display ended:\n%s", strings.Join(bob.Screen(), "\n"))
			return
		}
		bob.Type("\x02d")
		if code := bob.ExitCode(); code != 0 {
			w.t.Errorf("bob cannot leave: exit %d", code)
		}
	}}.run(t)
}
