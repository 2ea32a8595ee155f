package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Root removes the state directory, or the policy directory, while muxward
// runs. Without its log nothing new is done and nothing is typed; without the
// policy files the last good policy stays, and an empty one is never made up.
// Both are told. The control run is the same command before.
func TestF42StateRemoved(t *testing.T) {
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	b.typed(typist, "control")
	if err := os.RemoveAll(b.Policy); err != nil {
		t.Fatal(err)
	}
	b.turnsRed("policy")
	b.typed(typist, "policy")
	if b.Tmux(stranger, "send-keys", "-t", "mwalice/shared:0.0", "-l", "x").Code == 0 {
		t.Error("without policy files a stranger types")
	}
	if err := os.RemoveAll(b.State); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool {
		r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", "")
		return r.Code != 0 && strings.Contains(r.Err, "recorded")
	}, "new commands are refused")
	n := b.rec.Len()
	c.Type("unwritten")
	c.WaitTold("not typed")
	if b.rec.Len() != n {
		t.Errorf("typed without a record: %q", b.rec.Bytes()[n:])
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(b.Output(), "log cannot be written") }, "it is told")
	b.server.Run("rename-window", "-t", "other:0", "views-stay")
	v.WaitFor("views-stay")
	b.kept()
}
