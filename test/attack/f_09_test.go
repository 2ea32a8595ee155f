package attack

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A storm of signals. HUP reads the policy again; PIPE, USR1, WINCH and the
// like are nothing; people work on. Then a storm of TERM and INT: muxward
// drains and ends, its people are told, and their terminals are sane. The
// control run is the policy itself: a HUP does put a new one in force.
func TestF09StormOfSignals(t *testing.T) {
	b := lay(t, host.Config{})
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	v.WaitFor("recording")
	storm := []syscall.Signal{syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
		syscall.SIGCHLD, syscall.SIGURG, syscall.SIGCONT}
	for i := range soak.N(1000, 100) {
		b.Signal(storm[rand.IntN(len(storm))])
		if i%50 == 0 {
			b.typed(typist, "s"+randomWord())
		}
	}
	b.Reload("grants.yaml", strings.ReplaceAll(bedGrants, "who: mwcarol", "who: mwmallory"))
	// One of the storm's may be under way still, and end just then with what it has read.
	tmuxtest.Eventually(t, func() bool { return b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code != 0 },
		"a reload after the storm takes something away")
	if v.Exited() {
		t.Error("the viewer was thrown out")
	}
	drain := time.Now()
	for range 50 {
		_ = syscall.Kill(b.PID(), []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}[rand.IntN(3)]) // it may have ended
	}
	if code := b.Stopped(); code != 0 {
		t.Errorf("muxward exits %d; it says:\n%s", code, b.Output())
	}
	inTime(t, drain, 10*time.Second, "muxward has drained and ended")
	v.ExitCode()
	sane(t, v)
	b.kept()
	b.Run()
	b.VerifyAudit()
}
