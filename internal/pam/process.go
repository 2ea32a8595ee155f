package pam

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/sandbox"
)

// LineFD is the descriptor of the line in muxward-pam.
const LineFD = 3

// endTime is how long the end of a process is waited for. One that hangs in the kernel
// is left behind, and goes on to take the place of a login.
const endTime = 5 * time.Second

// process is a muxward-pam.
type process struct {
	program string
	line    *os.File
	cmd     *exec.Cmd
	exited  chan struct{} // it has ended, and its number is nobody else's yet
	let     chan struct{} // its number may be given away
	gone    chan struct{}
	once    sync.Once
	// remote ends one that another process has started; of that only the line is here.
	remote func()
}

// startProcess starts one. left is called when it has ended.
func startProcess(program string, left func()) (*process, error) {
	if err := CheckProgram(program); err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("make a line to %s: %w", program, err)
	}
	defer theirs.Close()
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
		"GOMAXPROCS=1"} // there may be many of them
	cmd.ExtraFiles = []*os.File{theirs} // the first of them is LineFD; the standard streams are /dev/null
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{program: program, line: ours, cmd: cmd,
		exited: make(chan struct{}), let: make(chan struct{}), gone: make(chan struct{})}
	started := make(chan error, 1)
	go p.keep(started, left)
	if err := <-started; err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

// keep starts the process and waits for its end. It keeps its thread: the process would
// be killed with that.
func (p *process) keep(started chan<- error, left func()) {
	runtime.LockOSThread() // and never let go: it has a keyring of its own
	err := sandbox.ThreadKeyring()
	if err == nil {
		err = p.cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	for unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	close(p.exited)
	p.hush()
	<-p.let
	_ = p.cmd.Wait() // that it was killed is no error here
	left()
	close(p.gone)
}

// hush has whoever waits for the process wait no longer. It never ends by itself before
// it was heard out.
func (p *process) hush() { _ = p.line.SetReadDeadline(time.Unix(1, 0)) }

// over reports whether the process has ended.
func (p *process) over() bool {
	if p.remote != nil {
		return false // its line ends then
	}
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// broken says what became of a process that does not answer any more.
func (p *process) broken(err error) error {
	switch {
	case p.over(), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return errors.New("the process that asks PAM has ended by itself, or let go of its line: by a module, or because it does not run here (try: ldd " + p.program + ")")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errLong
	}
	return fmt.Errorf("the process that asks PAM: %w", err)
}

// end ends the process, and what it has started.
func (p *process) end() {
	if p.remote != nil {
		p.once.Do(func() {
			p.remote() // as long as there is a line it does not end, and what it has started is below it
			_ = p.line.Close()
		})
		return
	}
	p.once.Do(func() {
		pid := p.cmd.Process.Pid
		if sweeps() {
			p.stop() // it starts nothing more, and what it has started stays below it
			sweep(pid, p.over())
			_ = unix.Kill(-pid, unix.SIGKILL)
		}
		_ = unix.Kill(pid, unix.SIGKILL)
		close(p.let)
		_ = p.line.Close()
	})
	select {
	case <-p.gone:
	case <-time.After(endTime):
	}
}

// stopTime is how long it may take to stop a process: one that hangs in the kernel does not,
// and starts nothing there.
const stopTime = time.Second

// stop stops the process, and waits until it stands still.
func (p *process) stop() {
	pid := p.cmd.Process.Pid
	if unix.Kill(pid, unix.SIGSTOP) != nil {
		return
	}
	tick, over := time.NewTicker(time.Millisecond), time.After(stopTime)
	defer tick.Stop()
	for {
		if now, err := procfs.ReadStat(pid); err != nil || now.State == 'T' || now.Ended() {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			return
		}
	}
}

// socketPair gives both ends of a line without a name.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // for deadlines
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "pam"), os.NewFile(uintptr(fds[1]), "pam"), nil
}
