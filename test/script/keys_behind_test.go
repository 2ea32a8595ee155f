package script

import (
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestTypedBehindAKeyThatSwitches: bob presses a key that shows him another session,
// and types on. What he types goes there, though nothing of it is drawn for him yet:
// his display is held up, so that it cannot tell.
func TestTypedBehindAKeyThatSwitches(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	h := host.Start(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: operator, on: mwalice/*, reason: helps}\n",
	}})
	here, there := tmuxtest.NewRecorder(t), tmuxtest.NewRecorder(t)
	h.Must(host.Alice, "new-session", "-d", "-s", "here", here.Command())
	h.Must(host.Alice, "new-session", "-d", "-s", "there", there.Command())
	h.Must(host.Alice, "set-option", "-t", "there", "prefix", "C-a")
	h.Must(host.Alice, "bind-key", "-n", "F5", "switch-client", "-t", "there")
	h.Must(host.Alice, "bind-key", "y", "send-keys", "-l", "<y>")
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/here")
	b.WaitFor("recording")
	here.WaitReady()
	there.WaitReady()
	if err := os.WriteFile(dir+"/seat-output", []byte("wait"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Type("\x1b[15~ab\x02y\x01y")
	const want = "ab\x02y<y>"
	there.WaitLen(len(want))
	if got := string(there.Bytes()); got != want || here.Len() > 0 {
		t.Errorf("%q there, %q here", got, here.Bytes())
	}
	tmuxtest.Eventually(t, func() bool { _, err := os.Stat(dir + "/seat-output"); return os.IsNotExist(err) }, "the display is held up")
	if err := os.WriteFile(dir+"/seat-output.go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.WaitFor("[there]")
}
