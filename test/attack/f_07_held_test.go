package attack

import (
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Somebody wants others to lose their displays: muxward-helper stands still, and muxward's connection to the tmux
// server is cut, so that nobody can ask it what a display shows. Bob looks on. What is drawn meanwhile is held
// back, he is told so, and he sees what is there when the helper goes on: his display is not closed, however long it
// takes. The control run is that he is told, which comes when one question had no answer in its time.
func TestF07HelperStandsStill(t *testing.T) {
	t.Parallel()
	b, x, goOn := unasked(t)
	defer goOn()
	mark := "mark" + randomWord()
	b.server.Run("rename-window", "-t", "shared:0", mark)
	x.WaitTold("what is drawn is held back")
	if x.Exited() {
		t.Fatalf("bob's display was closed: %q", clip(x.Bytes()))
	}
	if seen(x, mark) {
		t.Error("bob was shown what nobody could confirm")
	}
	goOn()
	x.WaitFor(mark)
	leave(x)
}

// unasked has bob look on where nobody can ask the tmux server what his display shows, until it goes on.
func unasked(t *testing.T) (b *bed, x *tmuxtest.Terminal, goOn func()) {
	t.Helper()
	b = lay(t, host.Config{Account: host.Ward})
	spared := displays(t, b.Host, b.server, func() {
		x = b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
	})
	goOn = sync.OnceFunc(func() { signal(t, b.PID(), sigCont) })
	signal(t, b.PID(), sigStop)
	if cut(t, b.Host, b.server, spared) == 0 {
		goOn()
		t.Fatal("no connection was cut, this is no test")
	}
	return b, x, goOn
}

// Meanwhile the owner's tmux server shows bob's display another session, which he may not view, and then the one
// that he may: what was drawn of the other is not shown by what is true when somebody can be asked again, whether
// muxward had read it by then or not.
func TestF07HeldBackForGood(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"read": false, "not read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, x, goOn := unasked(t)
			defer goOn()
			hidden := "hidden" + randomWord()
			b.server.Run("new-session", "-d", "-s", "hidden", "-n", hidden, "cat")
			if before {
				b.server.Run("rename-window", "-t", "shared:0", "first")
				x.WaitTold("what is drawn is held back")
			}
			tty := strings.TrimSpace(b.server.Run("list-clients", "-t", "shared", "-F", "#{?client_control_mode,,#{client_name}}"))
			b.server.Run("switch-client", "-c", tty, "-t", "hidden")
			b.server.Run("switch-client", "-c", tty, "-t", "shared")
			x.WaitTold("what is drawn is held back")
			goOn()
			mark := "mark" + randomWord()
			b.server.Run("rename-window", "-t", "shared:0", mark)
			x.WaitFor(mark)
			if seen(x, hidden) {
				t.Error("bob was shown what was drawn of a session that he may not view")
			}
			leave(x)
		})
	}
}
