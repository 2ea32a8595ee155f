package script

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

func TestMain(m *testing.M) {
	code := tmuxtest.Accounts(m)
	host.Clean()
	os.Exit(code)
}

const shared = `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}
  - {who: mwcarol, role: viewer, on: mwalice/work, reason: she looks}
  - {who: mwcarol, role: typist, on: "mwalice/work:0.1", reason: and types in one pane}
  - {who: root, role: admin, on: "*", reason: runs it}
`

// TestFirstLight: alice works, bob watches, carol types into one pane, mallory
// is told that there is nothing.
func TestFirstLight(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	h.Must(host.Alice, "split-window", "-t", "work", "cat")
	h.Must(host.Alice, "new-session", "-d", "-s", "secret", "cat")
	if out := h.Must(host.Bob, "ls"); !strings.HasPrefix(out, "mwalice/work: 1 windows") || strings.Contains(out, "secret") {
		t.Errorf("bob sees %q", out)
	}
	if r := h.Tmux(host.Mallory, "ls"); r.Code != 1 || r.Out != "" {
		t.Errorf("mallory: %+v", r)
	}
	a := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	a.WaitFor("[work]")
	a.Type("alice-was-here\r")
	a.WaitFor("alice-was-here")
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("alice-was-here")
	c := h.Terminal(host.Carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	c.WaitFor("alice-was-here")
	b.Type("bob-types\r")
	c.Type("carol-types\r")
	a.WaitFor("carol-types")
	if a.Contains("bob-types") {
		t.Error("bob typed")
	}
	if r := h.Muxward("root", "revoke", host.Carol, "--reason", "enough"); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	if code := c.ExitCode(); code != 1 {
		t.Errorf("carol's client exits %d; %q", code, c.Screen())
	}
	h.VerifyAudit()
}

// TestTimeIsOver: a grant ends at its hour, also for somebody who only looks at
// a screen on which nothing happens.
func TestTimeIsOver(t *testing.T) {
	until := func(d time.Duration) string {
		return fmt.Sprintf("grants:\n  - {who: mwbob, role: viewer, on: mwalice/work, until: %s, reason: for a moment}\n",
			time.Now().Add(d).UTC().Format(time.RFC3339))
	}
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": until(time.Hour)}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo nothing-more; exec cat")
	h.Server(host.Alice).Run("set-option", "-g", "status", "off")
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("nothing-more")
	h.Reload("grants.yaml", until(3*time.Second))
	if code := b.ExitCode(); code != 1 {
		t.Errorf("bob's client exits %d: %q", code, b.Screen())
	}
	b.WaitTold("may not view this any more")
	if r := h.Tmux(host.Bob, "ls"); r.Code == 0 {
		t.Errorf("bob still sees %q", r.Out)
	}
}
