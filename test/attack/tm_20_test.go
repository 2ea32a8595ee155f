package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may look and carol may type into one pane. They want to close, detach,
// move or rename by commands that do not say so in their names. Each needs the
// verb for what it does, and those that muxward does not offer yet are refused
// by name. In the control run the policy permits them.
func TestTM20DestructiveInDisguise(t *testing.T) {
	t.Parallel()
	row{loose: everyVerb, gains: 3, attack: func(w *world) {
		alice := w.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
		alice.WaitFor("recording")
		s := "mwalice/shared"
		for _, who := range []string{viewer, typist} {
			for _, args := range [][]string{
				{"new-session", "-A", "-D", "-d", "-s", s}, {"attach-session", "-d", "-t", s}, {"attach-session", "-x", "-t", s},
				{"detach-client", "-s", s}, {"detach-client", "-a"}, {"rename-window", "-t", s, "mine"}, {"rename-session", "-t", s, "mine"},
				{"select-layout", "-t", s, "tiled"}, {"select-pane", "-t", s + ":0.1", "-T", "title"}, {"select-pane", "-d", "-t", s},
				{"last-pane", "-e", "-t", s}, {"unlink-window", "-k", "-t", s}, {"move-window", "-k", "-s", s, "-t", s},
				{"link-window", "-k", "-s", s, "-t", s}, {"join-pane", "-s", s, "-t", s}, {"respawn-window", "-k", "-t", s},
				{"respawn-pane", "-k", "-t", s}, {"resize-window", "-t", s, "-x", "20"}, {"resize-pane", "-t", s, "-Z"},
				{"set-option", "-t", s, "destroy-unattached", "on"}, {"new-window", "-k", "-d", "-t", s + ":0"}, {"kill-pane", "-t", s + ":0.0"},
				{"kill-pane", "-a", "-t", s + ":0.0"}, {"kill-session", "-a", "-f", "1", "-t", s},
				{"kill-session", "-a", "-t", s}, {"kill-session", "-C", "-t", s}, {"kill-window", "-t", s}, {"kill-server"},
			} {
				if args[0] == "attach-session" || w.control && args[0] == "new-session" {
					x := w.attach(who, tmuxtest.TerminalConfig{}, args...)
					soonIf(w.control, alice.Exited)
					leave(x)
					continue
				}
				w.refused(who, args...)
			}
		}
		if alice.Exited() {
			w.gain("the owner was detached")
			return
		}
		leave(alice)
	}}.run(t)
}
