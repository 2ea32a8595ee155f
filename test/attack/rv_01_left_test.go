package attack

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Carol types while the tmux server hangs, and leaves at once: what she typed lies where tmux has not read
// it. She is revoked when she is nowhere any more, and hopes that nobody waits for what she has left behind: it is
// typed when the server goes on.
func TestRV01TypedAndLeft(t *testing.T) {
	b := lay(t, host.Config{Policy: map[string]string{"grants.yaml": "grants:\n  - {who: mwcarol, role: operator, on: mwalice/shared, reason: works}\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n"}})
	x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	x.Type("a")
	b.rec.WaitLen(1)
	if err := syscall.Kill(b.server.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	x.Type("b")
	tmuxtest.Eventually(t, func() bool {
		sum := 0
		for _, e := range b.AuditKind("keys") {
			sum += e.Bytes
		}
		return sum > 1
	}, "what she typed is in the log")
	x.HangUp()
	tmuxtest.Eventually(t, func() bool { return !strings.Contains(b.Muxward(root, "who", "--json").Out, typist) }, "she has left")
	r := b.Muxward(root, "revoke", typist)
	before := b.rec.Len()
	if err := syscall.Kill(b.server.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.Must(owner, "display-message", "-p", "-t", "shared", "x")
	b.server.Run("run-shell", "-d", "0.3", "true")
	if typed := b.rec.Bytes()[before:]; bytes.Contains(typed, []byte("b")) {
		t.Errorf("the attack succeeded: she is revoked, which says %+v, and %q is typed behind that", r, typed)
	}
	if r.Code != 1 || !strings.Contains(r.Err, "not confirmed: what mwcarol has typed last") {
		t.Errorf("nobody can know what became of it, and it is said to be over: %+v", r)
	}
}
