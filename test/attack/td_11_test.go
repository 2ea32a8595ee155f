package attack

import (
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Carol is attached. Bob and a stranger want her gone, or looking at something
// else: they name her terminal, her display, all clients of the session; and
// somebody says that her terminal is their own. Clients are one's own, and
// those of others only for who may detach others.
func TestTD11ClientsOfOthers(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", attack: func(w *world) {
		carol := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		carol.WaitFor("recording")
		display := w.server.Run("list-clients", "-t", "shared", "-F", "#{client_name}")
		for _, name := range []string{carol.TTY(), carol.TTY()[5:], display, display[5:]} {
			for _, who := range []string{viewer, stranger} {
				w.refused(who, "switch-client", "-c", name, "-t", "mwalice/secret")
				w.refused(who, "detach-client", "-t", name)
			}
		}
		for _, who := range []string{viewer, stranger} {
			w.refused(who, "detach-client", "-s", "mwalice/shared")
			w.refused(who, "detach-client", "-a", "-s", "mwalice/shared")
			w.refused(who, "detach-client")
		}
		for _, argv := range [][]string{{"detach-client"}, {"switch-client", "-t", "mwalice/secret"}} {
			w.ask(&wire.Hello{
				Term: "xterm-256color", TTYName: carol.TTY(), Cwd: "/", PID: int32(carol.PID()),
				Env: os.Environ(), Argv: argv,
			})
		}
		if !soonIf(w.control, carol.Exited) && carol.Contains(w.mark) {
			w.gain("carol looks at something else")
		}
		if carol.Exited() {
			w.gain("carol was detached")
		}
	}}.run(t)
}
