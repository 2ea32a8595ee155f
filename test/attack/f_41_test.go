package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward is replaced by another build, and that by the first again, while
// sessions live. They are kept, people attach, and the log that both wrote
// verifies. That logs of the first format verify for ever is shown below the
// whole program. The control
// run is the servers' processes: they are compared, not merely counted.
// TestFirstFormatVerifies was seen to fail with a field of the format renamed.
func TestF41OtherVersion(t *testing.T) {
	shownByPackage(t, "audit.TestFirstFormatVerifies")
	b := lay(t, host.Config{})
	b.typed(typist, "first")
	for _, build := range []string{"failpoints", ""} {
		b.Stop()
		next := host.Prepare(t, host.Config{Build: build})
		next.State, next.Policy, next.Doors = b.State, b.Policy, b.Doors
		next.Run()
		b.Host = next
		b.kept()
		c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		c.WaitFor("recording")
		word := "v" + randomWord()
		c.Type(word)
		b.arrived(word)
		b.VerifyAudit()
	}
}
