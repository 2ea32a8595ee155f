package keep

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A process that reaches ends with its line, with all that it has started, though it was
// stopped or killed by somebody of its account; and the line ends after that and not before.
func TestMindReach(t *testing.T) {
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "a PID namespace takes root")
	}
	for name, sig := range map[string]syscall.Signal{"stopped": unix.SIGSTOP, "killed": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
			defer ours.Close()
			held, err := hold(theirs)
			if err != nil {
				t.Fatal(err)
			}
			// What it leaves behind holds the other end of a pipe.
			alive, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			cmd := exec.Command("/bin/sh", "-c", "setsid -f sleep 1003 3>&-; echo x >&4; exec sleep 1004 3>&-")
			cmd.ExtraFiles = []*os.File{theirs, w}
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID}
			if err := cmd.Start(); err != nil {
				tmuxtest.Skip(t, "there are no PID namespaces here: %v", err)
			}
			_, _ = theirs.Close(), w.Close()
			over := make(chan struct{})
			pid := cmd.Process.Pid
			go func() { defer close(over); mindReach(cmd, namespace, held, tidyTime) }()
			if _, err := alive.Read(make([]byte, 2)); err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
			if err := unix.Shutdown(fds[0], unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			said, err := io.ReadAll(ours)
			if err != nil || !strings.HasSuffix(string(said), ReachOver) {
				t.Errorf("the line says %q last (%v)", said, err)
			}
			if err := unix.SetNonblock(int(alive.Fd()), true); err != nil {
				t.Fatal(err)
			}
			if n, err := unix.Read(int(alive.Fd()), make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("something goes on: %d %v", n, err)
			}
			<-over
		})
	}
}

// Who minds a process that reaches is not killed when it takes too long: nobody else could end
// what is left. That it has ended is not said then.
func TestMinderGoesOn(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	held, err := hold(theirs)
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { defer close(over); mindReach(cmd, minder, held, time.Millisecond) }()
	if err := unix.Shutdown(fds[0], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(ours); err != nil || len(said) > 0 {
		t.Errorf("it says %q (%v)", said, err)
	}
	_ = in.Close() // it ends by itself
	<-over
	if !cmd.ProcessState.Success() {
		t.Errorf("it was ended: %v", cmd.ProcessState)
	}
}
