package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Somebody wants others to lose their displays: muxward-helper stands still, and muxward's connection to the tmux
// server is cut, so that nobody can ask it what a display shows. Bob looks on. What is drawn meanwhile is held
// back, he is told so, and he sees it when the helper goes on: his display is not closed, however long it
// takes. The control run is that he is told, which comes when one question had no answer in its time.
func TestF07HelperStandsStill(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{Account: host.Ward})
	var x *tmuxtest.Terminal
	spared := displays(t, b.Host, b.server, func() {
		x = b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
	})
	stopped := true
	goOn := func() {
		if stopped {
			signal(t, b.PID(), sigCont)
		}
		stopped = false
	}
	signal(t, b.PID(), sigStop)
	defer goOn()
	if cut(t, b.Host, b.server, spared) == 0 {
		t.Fatal("no connection was cut, this is no test")
	}
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
