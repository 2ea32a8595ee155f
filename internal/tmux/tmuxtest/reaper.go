package tmuxtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The reaper is a child that outlives this process by a moment. It is told the
// pid of everything that is started and holds a descriptor of each, so that a
// number that was given to another process since is never signalled. When its
// standard input ends, which it does however this process goes, it kills what
// is left and removes the base directory.

var reaper = sync.OnceValues(func() (io.Writer, error) {
	path, err := helper()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Env = []string{roleVar + "=" + roleReap, baseVar + "=" + os.Getenv(baseVar)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not to be interrupted with us
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return in, nil
})

// guard has the process killed when the test binary ends. It is called before
// the process can have been waited for.
func guard(t testing.TB, pid int) {
	t.Helper()
	w, err := reaper()
	if err == nil {
		_, err = fmt.Fprintln(w, pid)
	}
	if err != nil {
		t.Fatalf("tmuxtest: reaper: %v", err)
	}
}

// KillAtEnd has a process killed (SIGKILL) at the end of the test, and when the
// test binary ends in any other way. It is for what the code under test starts,
// such as daemons. The process must not have been waited for yet.
func KillAtEnd(t testing.TB, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("tmuxtest: process %d: %v", pid, err)
	}
	guard(t, pid)
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it may be gone
		_ = unix.Close(fd)
	})
}

// running closes those of the descriptors whose processes have ended, of which
// long tests start more than there may be descriptors.
func running(fds []int) []int {
	left := fds[:0]
	for _, fd := range fds {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if err == nil && n > 0 {
			_ = unix.Close(fd)
			continue
		}
		left = append(left, fd)
	}
	return left
}

// reap is the reaper's main function.
func reap(in io.Reader, base string) int {
	var fds []int
	many := 256
	for s := bufio.NewScanner(in); s.Scan(); {
		if len(fds) >= many {
			fds = running(fds)
			many = 2*len(fds) + 256
		}
		pid, err := strconv.Atoi(s.Text())
		if err != nil || pid <= 1 {
			continue
		}
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			fds = append(fds, fd)
		}
	}
	for _, fd := range fds {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it may be gone
	}
	if strings.HasPrefix(base, "/tmp/mwt") {
		removeAll(base)
	}
	return 0
}
