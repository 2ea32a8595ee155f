package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A viewer hears in control mode what a pane prints without end, while its owner puts another program into it.
// The owner's tmux server goes on, and the viewer hears what the last program prints.
func TestTM45RespawnedWhileHeard(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	b.Must(owner, "new-window", "-d", "-t", "shared:5", "yes")
	b.pids = strings.Fields(b.alivePIDs())[0]
	l := b.Control(viewer, "attach", "-t", "mwalice/shared")
	l.Wait("%output")
	for range 5 {
		b.Must(owner, "respawn-pane", "-k", "-t", "shared:5", "yes")
	}
	word := "w" + randomWord()
	b.Must(owner, "respawn-pane", "-k", "-t", "shared:5", "while :; do echo "+word+"; sleep 0.2; done")
	tmuxtest.Eventually(t, func() bool { return l.Has(word) }, "the viewer hears the last program")
	if now := strings.Fields(b.alivePIDs())[0]; now != b.pids {
		t.Errorf("the server was process %s, and is %s now", b.pids, now)
	}
}
