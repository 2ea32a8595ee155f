package attack

import (
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

const (
	sigKill = syscall.SIGKILL
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
	sigHup  = syscall.SIGHUP
)

// The tmux server is killed, kill -9. Its people are told and get their
// terminals back, it can be started afresh, and what people held on ids of the
// dead server is void: the new server gives the same ids to other things.
//
// That what runs in its panes ends with it is the kernel's hang-up in this
// mode; a pane's own cgroup comes with isolated servers.
func TestF05TmuxKilled(t *testing.T) {
	reached := func(b *bed, name string) bool {
		c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		c.WaitFor("recording")
		killed := time.Now()
		signal(t, b.server.PID, sigKill)
		c.ExitCode()
		inTime(t, killed, time.Second, "told that the server has gone")
		sane(t, c)
		c.Close()
		b.rec = tmuxtest.NewRecorder(t)
		b.Must(owner, "new-session", "-d", "-s", name, b.rec.Command())
		b.server = b.Server(owner)
		b.rec.WaitReady()
		if id := b.server.Run("list-panes", "-a", "-F", "#{session_id} #{pane_id}"); id != "$0 %0" {
			t.Fatalf("the new server has %q, which proves nothing", id)
		}
		return b.Tmux(typist, "send-keys", "-t", "mwalice/%0", "-l", "void").Code == 0 || b.rec.Len() > 0
	}
	t.Run("attack", func(t *testing.T) {
		b := lay(t, host.Config{})
		for round := range soak.N(1000, 3) {
			if reached(b, "private") {
				t.Error("a right on a dead server reached its successor")
			}
			tmuxtest.Eventually(t, func() bool { return b.logs("server", "has ended")+b.logs("alarm", "has ended") > round },
				"the end is in the log")
			// The next round begins with the standard sessions.
			b.server.Run("kill-server")
			tmuxtest.Eventually(t, func() bool { return b.Tmux(owner, "ls").Code != 0 }, "the server has gone")
			b.furnish()
		}
		b.VerifyAudit()
	})
	// The control run: a session of the name that the grant is about is reached.
	t.Run("control", func(t *testing.T) {
		b := lay(t, host.Config{})
		if !reached(b, "shared") {
			t.Error("a session of the granted name is not reached either: this is no test")
		}
	})
}
