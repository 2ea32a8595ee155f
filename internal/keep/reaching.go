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
	"github.com/muxward/muxward/internal/sandbox"
)

// tidyTime is how long a process that reaches has to tidy up once its line has ended; it is
// killed then. It is shorter than what who ends it waits for.
const tidyTime = 4 * time.Second

// reacher is the command of a process that reaches.
func (k *Keep) reacher(a accounts.Account, line *os.File) *exec.Cmd {
	cmd := exec.Command(k.opt.Program, ReachWord)
	if k.opt.Root && unprivileged() {
		cmd.Args = append(cmd.Args, whose(a))
	}
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", k.environment(a), []*os.File{line}
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
// (pid_namespaces(7)). enclosed reports whether that is so.
func (k *Keep) startReach(a accounts.Account, line *os.File) (cmd *exec.Cmd, enclosed bool, err error) {
	cmd = k.reacher(a, line)
	if !k.opt.Root {
		return cmd, false, cmd.Start()
	}
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID
	if err = sandbox.StartAlone(cmd); err == nil {
		return cmd, true, nil
	}
	cmd = k.reacher(a, line) // in a container without CAP_SYS_ADMIN, or too many in each other
	return cmd, false, sandbox.StartAlone(cmd)
}

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

// mindReach waits for the end of one. Once its line has ended it is killed, if it does not end
// by itself: SIGKILL ends those that are stopped, too. line is the process's end: who has the
// other sees none before we close it, and is told if all has ended for certain.
func mindReach(cmd *exec.Cmd, enclosed bool, line *os.File) {
	gone, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		hungUp(line)
		select {
		case <-gone:
			return
		case <-time.After(tidyTime):
		}
		_ = cmd.Process.Kill() // it may have ended
	}()
	_ = cmd.Wait() // of the first of a namespace it waits for all in it
	close(gone)
	if enclosed {
		_, _ = line.WriteString(ReachOver) // who has gone hears nothing
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
