package attack

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A tmux server is stopped for a while (SIGSTOP) and goes on (SIGCONT). Other
// people's servers do not notice; who asks this one hears why it does not
// answer; what was refused meanwhile is not done when it goes on. A muxward
// that only waited longer would do it late: in the control run the same key,
// asked of the server itself, arrives after all.
func TestF07TmuxStopped(t *testing.T) {
	b := lay(t, host.Config{})
	b.Must(stranger, "new-session", "-d", "-s", "mine", "cat")
	calm := b.resting()
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	for range soak.N(20, 1) {
		late := "late" + randomWord()
		signal(t, b.server.PID, sigStop)
		stop := time.Now()
		r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", late)
		inTime(t, stop, 5*time.Second, "refused: %s", strings.TrimSpace(r.Err))
		if r.Code == 0 || !strings.Contains(r.Err, "ask the tmux server") {
			t.Errorf("a stopped server took keys, or the reason is wrong: %+v", r)
		}
		if r = b.Tmux(stranger, "send-keys", "-t", "mwalice/shared:0.0", "x"); strings.Contains(r.Err, "server") {
			t.Errorf("a stranger learns of the server: %+v", r)
		}
		ask := time.Now()
		r = b.Tmux(owner, "send-keys", "-t", "shared:0.0", "-l", late)
		inTime(t, ask, 5*time.Second, "its owner refused: %s", strings.TrimSpace(r.Err))
		if r.Code == 0 || r.Err == "" {
			t.Errorf("a stopped server took its owner's keys: %+v", r)
		}
		swift(t, "another's server", func() {
			if out := b.Must(stranger, "display-message", "-p", "mine"); out != "mine" {
				t.Errorf("another's server: %q", out)
			}
		})
		if rv := b.Muxward(root, "revoke", typist, "--reason", "while stopped"); rv.Code != 0 &&
			!strings.Contains(rv.Err, "not confirmed") {
			t.Errorf("revoke: %+v", rv)
		}
		stopped := make(chan error, 1)
		go func() { // the control run: asked past muxward
			_, err := b.server.Try("send-keys", "-t", "shared:0.0", "-l", "direct"+late)
			stopped <- err
		}()
		pause(time.Duration(soak.N(60_000, 200)) * time.Millisecond)
		signal(t, b.server.PID, sigCont)
		b.arrived("direct" + late)
		<-stopped
		b.Muxward(root, "revoke", "--undo", typist)
		tmuxtest.Eventually(t, func() bool {
			return b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", "<on>").Code == 0
		}, "it goes on")
		b.arrived("<on>")
		if got := string(b.rec.Bytes()); strings.Contains(strings.ReplaceAll(got, "direct"+late, ""), late) {
			t.Errorf("what was refused was typed late: %q", got)
		}
	}
	leave(c) // she has been revoked
	b.kept()
	calm()
	b.VerifyAudit()
}
