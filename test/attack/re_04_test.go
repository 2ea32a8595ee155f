package attack

import (
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// loud turns on what a program can turn on, and goes on drawing in red lines
// that scroll, so that whatever ends a picture ends it in the middle.
const loud = `printf '\033[?1000h\033[?1002h\033[?1003h\033[?1006h\033[?2004h\033[?1004h\033[>4;2m\033[>1u\033[=1;1u` +
	`\033[?1h\033=\033]12;red\007\033[?7l\033[2;9rLOUD\n'; ` +
	`while sleep 0.05; do printf '\033[?25l\033[31;1;4mLOUD\n'; sleep 0.05; printf '\033[4 q\033[?25h'; done`

// loudConf lets tmux pass on as much of it as tmux ever does.
const loudConf = `set -g mouse on
set -g focus-events on
set -s extended-keys always
set -g set-titles on
set -as terminal-features "xterm*:extkeys:ccolour:cstyle:title:mouse:focus"
`

// What is on meanwhile, on a terminal that gets all that tmux draws and on one
// that gets what a display needs.
var (
	loudForOwner = []string{"mode ?1003", "mode ?1006", "mode ?2004", "mode ?1004", "mode ?1049", "mode ?25", "mode ?1", "keypad",
		"keys", "colour", "style", "title", "region", "raw mode"}
	loudForGuest = []string{"mode ?2004", "mode ?1004", "mode ?1049", "mode ?25", "mode ?1", "keypad", "style", "region",
		"raw mode"}
)

// A program leaves mouse reports, paste mode, focus reports and keyboard
// protocols on, and colours, a cursor and a region of its own, when somebody's
// picture ends, in each way that it can end. The terminal is as it was before,
// in all of its modes. That it is not by itself is the control run of F-01,
// and that each of them was on is looked at here.
func TestRE04TerminalRestored(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "attach.TestTerminalIsRestoredAtEveryExit")
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
			b := lay(t, host.Config{TmuxConf: loudConf, Policy: map[string]string{
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
				x := b.Terminal(who, tmuxtest.TerminalConfig{Answer: true}, "attach", "-t", target)
				x.WaitFor("LOUD")
				want := loudForGuest
				if who == owner {
					want = loudForOwner
				}
				on(t, x, want)
				exit.do(b, x)
				tmuxtest.Eventually(t, x.Exited, "the client ends")
				sane(t, x)
			}
		})
	}
}

// on fails unless all of modes have been on at a terminal, each at some time
// while it was looked at.
func on(t *testing.T, x *tmuxtest.Terminal, modes []string) {
	t.Helper()
	missing := slices.Clone(modes)
	ok := soon(func() bool {
		left := insane(x)
		missing = slices.DeleteFunc(missing, func(m string) bool { return slices.Contains(left, m) })
		return len(missing) == 0
	})
	if !ok {
		t.Errorf("control run: while attached these are not on: %v; on is %v", missing, insane(x))
	}
}
