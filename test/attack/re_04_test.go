package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program leaves mouse reports, paste mode, focus reports and keyboard
// protocols on when somebody's picture ends, in each way that it can end. The
// terminal is as it was before. That it is not by itself is the control run of
// F-01, and that the modes were on is looked at here.
func TestRE04TerminalRestored(t *testing.T) {
	shownByPackage(t, "attach.TestTerminalIsRestoredAtEveryExit")
	const loud = `printf '\033[?1000h\033[?1002h\033[?1003h\033[?1006h\033[?2004h\033[?1004h\033[>4;2m\033[?25lLOUD'; exec cat`
	for _, exit := range []struct {
		name string
		do   func(b *bed, x *tmuxtest.Terminal)
	}{
		{"detach", func(_ *bed, x *tmuxtest.Terminal) { x.Type("\x02d") }},
		{"detached by the server", func(b *bed, _ *tmuxtest.Terminal) { b.server.Run("detach-client", "-s", "loud") }},
		{"session ends", func(b *bed, _ *tmuxtest.Terminal) { b.server.Run("kill-session", "-t", "loud") }},
		{"revoked", func(b *bed, _ *tmuxtest.Terminal) {
			b.Muxward(root, "revoke", typist)
			b.Muxward(root, "revoke", owner)
		}},
		{"client killed", func(_ *bed, x *tmuxtest.Terminal) { x.Signal(sigKill) }},
		{"tmux killed", func(b *bed, _ *tmuxtest.Terminal) { signal(b.t, b.server.PID, sigKill) }},
		{"muxward ends", func(b *bed, _ *tmuxtest.Terminal) { b.Stop() }},
		{"muxward killed", func(b *bed, _ *tmuxtest.Terminal) { b.Kill() }},
	} {
		t.Run(exit.name, func(t *testing.T) {
			b := lay(t, host.Config{TmuxConf: "set -g mouse on\nset -g focus-events on\n", Policy: map[string]string{
				"grants.yaml": standardGrants + "  - {who: mwcarol, role: viewer, on: mwalice/loud, reason: looks}\n"}})
			b.Must(owner, "new-session", "-d", "-s", "loud", loud)
			for who, target := range map[string]string{owner: "loud", typist: "mwalice/loud"} {
				if exit.name == "session ends" || exit.name == "tmux killed" || exit.name == "muxward ends" ||
					exit.name == "muxward killed" || exit.name == "revoked" || exit.name == "detached by the server" {
					if who == typist {
						continue // both at once, below
					}
					c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/loud")
					c.WaitFor("LOUD")
					defer func() { c.ExitCode(); sane(t, c) }()
				}
				x := b.Terminal(who, tmuxtest.TerminalConfig{}, "attach", "-t", target)
				x.WaitFor("LOUD")
				if left := insane(x); len(left) < 3 {
					t.Errorf("control run: while attached only %v is on", left)
				}
				exit.do(b, x)
				tmuxtest.Eventually(t, x.Exited, "the client ends")
				sane(t, x)
			}
		})
	}
}
