package attack

import (
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Who is at a place of their own stops their client by C-b C-z, and has it go on, as `fg` does. The owner's server
// goes on, too, and so does what is drawn. By ssh there is no shell to go to: it goes on at once.
func TestTM44StoppedAtAnOwnPlace(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{SSH: []string{viewer}})
	for door, attach := range map[string]func(string, tmuxtest.TerminalConfig, ...string) *tmuxtest.Terminal{
		"tmux": b.Terminal, "ssh": b.SSHTerminal,
	} {
		args := []string{"attach", "-f", "independent", "-t", "mwalice/shared"}
		if door == "ssh" {
			args = append([]string{"x@127.0.0.1", "tmux"}, args...)
		}
		x := attach(viewer, tmuxtest.TerminalConfig{}, args...)
		x.WaitFor("recording")
		x.Type("\x02\x1a")
		word := "w" + randomWord()
		if door == "tmux" {
			tmuxtest.Eventually(t, func() bool { return len(insane(x)) == 0 }, "the client has stopped")
			x.Signal(syscall.SIGCONT)
		}
		b.server.Run("rename-window", "-t", "shared:0", word)
		x.WaitFor(word)
		b.kept()
		b.typed(owner, "on"+word)
	}
}
