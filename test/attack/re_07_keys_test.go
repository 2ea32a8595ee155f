package attack

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob may resize the owner's windows. By a line that he types at C-b :, and by a key
// that is bound to it, he says what size one is to be as fast as he can, so that
// tmux draws for nobody else any more. Sizes have their turns however they are said.
// In the control run the same commands go past muxward.
func TestRE07SizesByKeys(t *testing.T) {
	t.Parallel()
	const n, last = 70, "display '#{window_width}x#S'"
	sizes := strings.Repeat("resizew -x80;", n)
	b := lay(t, host.Config{Policy: map[string]string{
		"grants.yaml": bedGrants + "  - {who: mwbob, role: operator, on: mwalice/other, reason: runs it}\n"}})
	b.server.Run("bind-key", "-n", "F5", sizes+last)
	x := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	x.WaitFor("calm")
	for how, keys := range map[string]string{"a line": "\x02:" + sizes + last + "\r", "a key": "\x1b[15~"} {
		began := time.Now()
		x.Type(keys)
		x.WaitTold("80xother") // it goes by itself
		if took := time.Since(began); took < least(n) {
			t.Errorf("by %s tmux heard of %d sizes within %v", how, n, took)
		}
		x.Type(" ") // takes the notice away
		tmuxtest.Eventually(t, func() bool { return !strings.Contains(strings.Join(x.Screen(), "\n"), "80xother") }, "the notice has gone")
	}
	b.kept()
	b.VerifyAudit()
	took := fastest(least(n), func(int) time.Duration {
		began := time.Now()
		b.server.Run(strings.Fields(strings.ReplaceAll(sizes, ";", " -t other: ; ") + "display-message -p -t other: x")...)
		return time.Since(began)
	})
	if took > least(n) {
		t.Errorf("control run: %d sizes took %v past muxward", n, took)
	}
}
