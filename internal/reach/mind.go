package reach

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/teeth"
)

// mindTime is how long a process that reaches has to tidy up once its line has ended.
const mindTime = 4 * time.Second

// Mind starts one more of this program, with the arguments that are given, which becomes an
// account and has the line of descriptor fd, and ends what that leaves behind. It is for where
// there can be no PID namespace: it stays root, so that nobody of the account can kill or stop
// it, and orphans come to it (PR_SET_CHILD_SUBREAPER in prctl(2)). Where a cgroup2 can be written
// the kernel ends all of it at once. When it returns without an error, nothing is left.
func Mind(fd uintptr, args ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root minds what is reached: whoever is of the account could end this")
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil { // no limits: what is started here has them, too
		return fmt.Errorf("keep debuggers out: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	unix.CloseOnExec(int(fd))
	line := os.NewFile(fd, "line")
	group := pane.NewCgroup()
	defer group.Close()
	cmd, err := startMinded(line, group.With, args)
	if err != nil && group.Holds() { // nobody can begin in it
		cmd, err = startMinded(line, func(*syscall.SysProcAttr) {}, args)
	}
	if err != nil {
		return fmt.Errorf("start what reaches: %w", err)
	}
	gone := make(chan struct{})
	go func() {
		ends(line)
		select {
		case <-gone:
		case <-time.After(mindTime):
			_ = cmd.Process.Kill() // it may have ended
		}
	}()
	_ = cmd.Wait() // how it ended is told over the line
	close(gone)
	if minds() {
		group.Kill()
		sweep()
	}
	return nil
}

// minds has what is left behind ended.
func minds() bool { return !teeth.Out(teeth.Minded) }

func startMinded(line *os.File, with func(*syscall.SysProcAttr), args []string) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.ExtraFiles, cmd.SysProcAttr = []*os.File{line}, &syscall.SysProcAttr{}
	with(cmd.SysProcAttr)
	return cmd, cmd.Start()
}

// ends waits until muxward's end of a line writes no more.
func ends(line *os.File) {
	for {
		is := []unix.PollFd{{Fd: int32(line.Fd()), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(is, -1); n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}
