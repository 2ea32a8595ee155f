package tmuxtest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Locked gives n descriptors of a pipe, each of which does not let itself be closed by whoever has it last,
// whatever signals come: somebody splices into it what does not come, and has its lock. They do once free was
// called, or at the end of the test. gone reports whether all are closed.
func Locked(t testing.TB, n int) (fds []int, free func(), gone func() bool) {
	t.Helper()
	of, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]int, 2)
	if err := unix.Pipe2(p, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for range n {
		fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", p[0]), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	_ = unix.Close(p[0])
	tid, done := make(chan int), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: this thread takes no signals
		all := unix.Sigset_t{}
		for i := range all.Val {
			all.Val[i] = ^uint64(0)
		}
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil)
		tid <- unix.Gettid()
		_, _ = unix.Splice(of[0], nil, p[1], nil, 1, 0)
	}()
	call := fmt.Sprintf("/proc/self/task/%d/syscall", <-tid)
	Eventually(t, func() bool {
		at, err := os.ReadFile(call)
		return err == nil && strings.HasPrefix(string(at), fmt.Sprintf("%d ", unix.SYS_SPLICE))
	}, "it is spliced")
	free = sync.OnceFunc(func() {
		_ = unix.Close(of[1])
		<-done
	})
	t.Cleanup(func() {
		free()
		_ = unix.Close(of[0])
		_ = unix.Close(p[1])
	})
	return fds, free, func() bool {
		at := []unix.PollFd{{Fd: int32(p[1])}}
		_, _ = unix.Poll(at, 0)
		return at[0].Revents&unix.POLLERR != 0
	}
}

// LetGo closes a descriptor, and does not wait for more than that nobody finds it any more. Who forks meanwhile has one as
// well, which may be the last: the caller has [syscall.ForkLock] where others start programs.
func LetGo(fd int) {
	var was, is unix.Stat_t
	if unix.Fstat(fd, &was) != nil {
		return
	}
	go func() { _ = unix.Close(fd) }()
	for unix.Fstat(fd, &is) == nil && is.Ino == was.Ino && is.Dev == was.Dev {
		runtime.Gosched()
	}
}
