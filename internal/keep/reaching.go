package keep

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/sandbox"
	"github.com/muxward/muxward/internal/teeth"
)

// tidyTime is how long a process that reaches has to tidy up once its line has ended; it is
// killed then. mindTime is that of who minds one, which gives it as long as that, and is not
// killed: nobody else could end what is left, and it goes on. Both are shorter than what who
// ends it waits for.
const (
	tidyTime = 4 * time.Second
	mindTime = 7 * time.Second
)

// reacher is the command of a process that reaches.
func (k *Keep) reacher(a accounts.Account, line *os.File) *exec.Cmd {
	cmd := exec.Command(k.opt.Program, ReachWord)
	if k.opt.Root && unprivileged() {
		cmd.Args = append(cmd.Args, whose(a))
	}
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", k.environment(a), []*os.File{line}
	for _, name := range teeth.Variables() {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// whose tells a process of which account it becomes. It does that itself: a program that is
// begun as the account could be looked into from its first moment on (execve(2)), one that
// has given up root cannot (PR_SET_DUMPABLE in prctl(2)).
func whose(a accounts.Account) string {
	var groups []string
	for _, g := range a.Groups {
		groups = append(groups, strconv.FormatUint(uint64(g), 10))
	}
	return strconv.FormatUint(uint64(a.UID), 10) + ":" + strconv.FormatUint(uint64(a.GID), 10) + ":" + strings.Join(groups, ",")
}

// startReach starts one. As root it is the first process of a PID namespace, where there can
// be one: nobody in that can kill or stop it, and with it the kernel ends all that is in there
// (pid_namespaces(7)). Where there can be none, as in a container without CAP_SYS_ADMIN, it is
// minded by a process that stays root. by is who knows that all has ended.
func (k *Keep) startReach(a accounts.Account, line *os.File) (cmd *exec.Cmd, by ending, err error) {
	cmd = k.reacher(a, line)
	switch {
	case !k.opt.Root:
		return cmd, itself, cmd.Start()
	case !encloses():
		return cmd, itself, sandbox.StartAlone(cmd)
	}
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID
	if err = sandbox.StartAlone(cmd); err == nil || !unprivileged() {
		return cmd, namespace, err
	}
	cmd = k.reacher(a, line)
	cmd.Args = append(cmd.Args, ReachMinded)
	return cmd, minder, sandbox.StartAlone(cmd)
}

// ending is who knows that what was started to reach for somebody has ended, with all that it
// has started.
type ending int

const (
	itself    ending = iota // that process, which its account can kill
	namespace               // the kernel: it is the first of a PID namespace
	minder                  // a process of root's, if that ends well
)

// knows reports whether all has ended, by how the process that was started has.
func (e ending) knows(cmd *exec.Cmd) bool {
	return e == namespace || e == minder && cmd.ProcessState != nil && cmd.ProcessState.Success()
}

// encloses has what is started to reach for people ended by others than itself.
func encloses() bool { return !teeth.Out(teeth.Enclosed) }

// hold gives another descriptor of a process's end of a line.
func hold(line *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(line.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that it can be waited for without a thread
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "held"), nil
}

// limit is how long it may take once its line has ended.
func (e ending) limit() time.Duration {
	if e == minder {
		return mindTime
	}
	return tidyTime
}

// mindReach waits for the end of one. Once its line has ended it is killed after a limit, if it does
// not end by itself: SIGKILL ends those that are stopped, too. Who minds one is not: it is told then
// that it is not certain. line is the process's end: who has the
// other sees none before we close it, and is told if all has ended for certain.
func mindReach(cmd *exec.Cmd, by ending, line *os.File, limit time.Duration) {
	gone, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		hungUp(line)
		select {
		case <-gone:
			return
		case <-time.After(limit):
		}
		if by == minder {
			_ = line.Close()
			return
		}
		_ = cmd.Process.Kill() // it may have ended
	}()
	_ = cmd.Wait() // of the first of a namespace it waits for all in it
	close(gone)
	if by.knows(cmd) {
		_, _ = line.WriteString(ReachOver) // who has gone hears nothing
	} else if by == minder {
		pane.Sweep() // who minds it was killed: what is left in its cgroup ends all the same
	}
	_ = line.Close()
	<-over
}

// hungUp waits until the other end of a line writes no more, or ours is closed. It reads
// nothing: what is said there is not for us.
func hungUp(line *os.File) {
	raw, err := line.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool { // an error is that it is closed
		is := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(is, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}
