package attack

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob has as many processes as an account may have, so that nothing more can be started for him.
// He is told so; alice, carol and what they have go on, and so does he with what he has; when
// there is room again he is served, which is the control run. Terminals and watches that are
// used up are F-18's, a little memory F-17's.
func TestDO08NoProcesses(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	const many = 30
	bob := tmuxtest.As(t, viewer)
	for range many {
		cmd := bob.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		})
	}
	limit := func(n uint64) (was unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(b.PID(), unix.RLIMIT_NPROC, nil, &was); err != nil {
			t.Fatal(err)
		}
		now := was
		now.Cur = min(n, was.Max)
		if err := unix.Prlimit(b.PID(), unix.RLIMIT_NPROC, &now, nil); err != nil {
			t.Fatal(err)
		}
		return was
	}
	was := limit(many - 5)
	r := b.Tmux(viewer, "new-session", "-d", "-s", "mine", "cat")
	if r.Code == 0 || r.Err == "" {
		t.Errorf("bob was served, or was not told why not: %+v", r)
	}
	t.Logf("bob is told: %s", r.Err)
	if r := b.Tmux(viewer, "has-session", "-t", "mwalice/shared"); r.Code != 0 {
		t.Errorf("bob may not even look: %+v", r)
	}
	word := "w" + randomWord()
	c.Type(word)
	b.arrived(word)
	if c.Exited() {
		t.Error("carol was thrown out")
	}
	limit(was.Cur)
	tmuxtest.Eventually(t, func() bool { return b.Tmux(viewer, "new-session", "-d", "-s", "mine", "cat").Code == 0 }, "bob is served with room for processes")
	b.kept()
	b.VerifyAudit()
}
