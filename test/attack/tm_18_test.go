package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol wants her own environment in the owner's session: her agent's socket
// for the owner's next pane, a library for every program; and to read the
// environment that is there. Nothing of a guest's environment reaches a
// session, and nobody but the owner reads it.
func TestTM18EnvironmentOfAGuest(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", attack: func(w *world) {
		before := w.server.Run("show-environment", "-t", "shared")
		evil := []string{"SSH_AUTH_SOCK=/tmp/evil-agent", "DISPLAY=:666", "LD_PRELOAD=/tmp/evil.so"}
		for _, who := range []string{viewer, typist} {
			x := w.attach(who, tmuxtest.TerminalConfig{Env: evil}, "attach", "-t", "mwalice/shared")
			soonIf(true, func() bool { return x.Contains("recording") })
			for _, args := range [][]string{
				{"show-environment", "-g"}, {"show-environment", "-t", "mwalice/shared"}, {"set-environment", "-g", "LD_PRELOAD", "x"},
				{"setenv", "-t", "mwalice/shared", "A", "b"}, {"set-option", "-g", "update-environment", "LD_PRELOAD"},
				{"new-window", "-d", "-e", "LD_PRELOAD=x", "-t", "mwalice/shared:"}, {"split-window", "-d", "-e", "A=b", "-t", "mwalice/shared"},
				{"new-session", "-d", "-e", "A=b", "-t", "mwalice/shared"}, {"attach", "-d", "-c", "/tmp", "-t", "mwalice/shared"},
			} {
				w.refused(who, args...)
			}
		}
		if now := w.server.Run("show-environment", "-t", "shared"); now != before {
			w.gain("the session's environment changed:\n%s", changes(before, now))
		}
	}}.run(t)
}
