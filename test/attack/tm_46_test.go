package attack

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// behind has somebody come in control mode and read nothing of it, so that the tmux server has to keep it. It gives the name
// of their client, what says a line there, and what has it read on.
func behind(b *bed, who string, args ...string) (name string, says func(line string), reads func()) {
	b.t.Helper()
	cmd := tmuxtest.As(b.t, who).Command("tmux", append([]string{"-C"}, args...)...)
	cmd.Env = b.Env(who)
	out, err := cmd.StdoutPipe()
	var in io.WriteCloser
	if err == nil {
		in, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	raw, err := out.(*os.File).SyscallConn()
	if err != nil {
		b.t.Fatal(err)
	}
	last := -1
	tmuxtest.Eventually(b.t, func() (full bool) { // as much lies there as there is room
		pause(200 * time.Millisecond)
		_ = raw.Control(func(fd uintptr) {
			n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
			full = err == nil && n > 0 && n == last
			last = n
		})
		return full
	}, "nothing more goes to who reads nothing")
	says = func(line string) {
		if _, err := io.WriteString(in, line+"\n"); err != nil {
			b.t.Fatal(err)
		}
	}
	return fmt.Sprintf("client-%d", cmd.Process.Pid), says, func() { go io.Copy(io.Discard, out) } //nolint:errcheck // it ends with its client
}

// A viewer has their client stopped while a pane prints without end: one in control mode, by a line of theirs and by a
// command beside it, and one at a place of their own, by a key and by a command. She hopes that the owner's tmux server,
// which is told of it, does not bear that. It goes on; who is in control mode hears that they are not stopped, and goes on
// hearing, and who is at a place of their own is stopped, and goes on.
func TestTM46StoppedWhileHeard(t *testing.T) {
	t.Parallel()
	b := printing(t, host.Config{})
	l := b.Control(viewer, "attach", "-t", "mwalice/shared")
	l.Wait("%output")
	name, says, reads := behind(b, viewer, "attach", "-t", "mwalice/shared")
	const told = "is in control mode, and is not stopped"
	for range 10 {
		l.Say("suspend-client")
		says("suspend-client")
		if r := b.Tmux(owner, "suspend-client", "-t", name); r.Code == 0 || !strings.Contains(r.Err, told) {
			t.Errorf("the owner has %s stopped: %+v", name, r)
		}
	}
	reads() // what was kept for it goes out
	l.Wait(told)
	x := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-f", "independent", "-t", "mwalice/shared:5")
	x.WaitFor("y")
	for range 10 {
		x.Type("\x02\x1a")
		tmuxtest.Eventually(t, func() bool { return len(insane(x)) == 0 }, "the client has stopped")
		time.Sleep(50 * time.Millisecond) // it prints on
		x.Signal(syscall.SIGCONT)
		tmuxtest.Eventually(t, func() bool { return len(insane(x)) > 0 }, "the client has gone on")
	}
	b.respawned(l.Has)
}
