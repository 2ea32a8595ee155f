package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestLosingResize: whose terminal may size a session no longer does so once
// that right is gone, though they go on watching; and does again when it is
// back.
func TestLosingResize(t *testing.T) {
	with := func(role string) string {
		return "grants:\n  - {who: mwbob, role: " + role + ", on: mwalice/work, reason: he watches}\n"
	}
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": with("operator")}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("work")
	flags := func() string { return h.Server(host.Alice).Run("list-clients", "-F", "#{client_flags}") }
	if got := flags(); strings.Contains(got, "ignore-size") {
		t.Fatalf("an operator's display: %s", got)
	}
	for _, tc := range []struct {
		role    string
		ignored bool
	}{{"viewer", true}, {"operator", false}, {"typist", true}} {
		h.Reload("grants.yaml", with(tc.role))
		// In force means that decisions go by it; displays follow.
		tmuxtest.Eventually(t, func() bool { return strings.Contains(flags(), "ignore-size") == tc.ignored },
			"a %s's display ignores sizes: %v", tc.role, tc.ignored)
	}
	b.Type("\x02d")
	if code := b.ExitCode(); code != 0 {
		t.Errorf("exit %d: %s", code, b.Screen())
	}
}
