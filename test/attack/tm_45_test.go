package attack

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// printing has the owner run what prints without end in a window of its own.
func printing(t *testing.T, cfg host.Config) *bed {
	t.Helper()
	b := lay(t, cfg)
	b.Must(owner, "new-window", "-d", "-t", "shared:5", "yes")
	b.pids = strings.Fields(b.alivePIDs())[0]
	return b
}

// respawned has the owner put a last program into that window, which a viewer sees or hears, and fails unless the
// owner's tmux server has gone on all the time.
func (b *bed) respawned(hears func(word string) bool) {
	b.t.Helper()
	word := "w" + randomWord()
	b.Must(owner, "respawn-pane", "-k", "-t", "shared:5", "while :; do echo "+word+"; sleep 0.2; done")
	tmuxtest.Eventually(b.t, func() bool { return hears(word) }, "the viewer is told of the last program")
	if now := strings.Fields(b.alivePIDs())[0]; now != b.pids {
		b.t.Errorf("the server was process %s, and is %s now", b.pids, now)
	}
}

// A viewer hears in control mode what a pane prints without end, while its owner puts another program into it.
// The owner's tmux server goes on, and the viewer hears what the last program prints.
func TestTM45RespawnedWhileHeard(t *testing.T) {
	t.Parallel()
	b := printing(t, host.Config{})
	l := b.Control(viewer, "attach", "-t", "mwalice/shared")
	l.Wait("%output")
	for range 5 {
		b.Must(owner, "respawn-pane", "-k", "-t", "shared:5", "yes")
	}
	b.respawned(l.Has)
}

// A viewer looks at that pane from a place of their own, where what it prints is heard by a client of muxward's.
func TestTM45RespawnedAtAnOwnPlace(t *testing.T) {
	t.Parallel()
	b := printing(t, host.Config{})
	x := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-f", "independent", "-t", "mwalice/shared:5")
	x.WaitFor("y")
	for range 20 {
		b.Must(owner, "respawn-pane", "-k", "-t", "shared:5", "yes")
	}
	b.respawned(x.Contains)
}

// Just before the tmux server is asked to respawn it a viewer comes, in control mode and to a place of their own, and
// muxward looks where the panes are that another viewer hears.
func TestTM45RespawnedAsTheyCome(t *testing.T) {
	t.Parallel()
	points := tmuxtest.Dir(t, host.Serves(t))
	b := printing(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + points}})
	w := &world{Host: b.Host, t: t, points: points}
	l := b.Control(viewer, "attach", "-t", "mwalice/shared")
	l.Wait("%output")
	for range 4 {
		var x, own *tmuxtest.Terminal
		var late *host.Lines
		w.between("executor-run", func() {
			x = b.Terminal(owner, tmuxtest.TerminalConfig{}, "respawn-pane", "-k", "-t", "shared:5", "yes")
		}, func() {
			time.Sleep(2 * time.Second) // muxward looks once a second
			late = b.Control(viewer, "attach", "-t", "mwalice/shared")
			own = b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-f", "independent", "-t", "mwalice/shared:5")
			time.Sleep(300 * time.Millisecond) // they wait for it, but not for ever
		})
		if code := x.ExitCode(); code != 0 {
			t.Fatalf("the respawn ends with %d: %s", code, clip(x.Bytes()))
		}
		late.Wait("%output")
		own.WaitFor("y")
		late.Close()
		late.Code()
		leave(own)
	}
	b.respawned(l.Has)
}
