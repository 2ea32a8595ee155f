package pane

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors of the process that minds a session.
const (
	superviseConn = 3 + iota
	superviseTTY
	superviseSession
)

// graceTime is how long programs have to end by themselves after the hang-up.
const graceTime = time.Second

// peerTime is how long muxward-pane may take to end once it was told.
const peerTime = 5 * time.Second

// Start starts the process that minds a session of a server: it answers who asks from here
// on, and goes on when we end. The caller waits for it. The server's id is for others to
// see, among its arguments.
func Start(program, server string, s *Session, a *Asking, tty *os.File) (*os.Process, error) {
	conn, err := a.conn.File()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, SuperviseArg, server)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
	cmd.ExtraFiles = []*os.File{conn, tty, r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = r.Close() // it is the other end's, and a write fails if that has ended
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := s.write(w); err != nil {
		return nil, errors.Join(fmt.Errorf("say what is to run: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	return cmd.Process, nil
}

// Program is the program's name.
const Program = "muxward-pane"

// The first argument of muxward-pane where it is not tmux that starts it. tmux gives none,
// or -c and a command.
const (
	SuperviseArg = "mind-session"
	EnterArg     = "enter-session"
)

// Supervise minds one session: it is root, in a session of its own.
func Supervise() error {
	for _, fd := range []int{superviseConn, superviseTTY, superviseSession} {
		unix.CloseOnExec(fd)
	}
	if os.Getuid() != 0 {
		return errors.New("this is started by muxward; there is nothing to do here by hand")
	}
	conn, err := connOf(superviseConn)
	if err != nil {
		return err
	}
	// It is not closed: that would wait for a read that hangs by what was sent (Listener).
	in := os.NewFile(superviseSession, "session")
	s, err := readSession(in)
	if err == nil {
		err = s.mind(conn, os.NewFile(superviseTTY, "terminal"))
	}
	_ = in.Close() // it was read
	if err != nil {
		_, _ = conn.Write(Answer{Refused: err.Error()}.Encode()) // they may have gone
	}
	return err
}

func connOf(fd uintptr) (*net.UnixConn, error) {
	f := os.NewFile(fd, "muxward-pane")
	conn, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("this is started by muxward; there is nothing to do here by hand")
	}
	return unixConn, nil
}

// mind opens the session, waits for it, and ends what it leaves behind.
func (s *Session) mind(conn *net.UnixConn, tty *os.File) error {
	if err := s.own(tty, int(s.UID)); err != nil {
		return err
	}
	if err := keepOrphans(); err != nil {
		return errors.Join(err, s.own(tty, int(s.Server)))
	}
	b := newBranch()
	defer b.close()
	cmd, err := s.enter(tty, b)
	if err != nil {
		return errors.Join(err, s.own(tty, int(s.Server)))
	}
	pid := cmd.Process.Pid
	_, _ = conn.Write(Answer{Begun: true}.Encode()) // if they have gone, that is noticed next
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var none [1]byte
		_, _ = conn.Read(none[:]) // nothing is ever said: it is the end
	}()
	stop := make(chan struct{})
	go reapOrphans(pid, stop)
	ended := make(chan struct{})
	go func() { defer close(ended); waitEnd(pid) }()
	select {
	case <-ended:
	case <-gone:
		_ = unix.Kill(-pid, unix.SIGHUP) // the kernel has told the foreground
		select {
		case <-ended:
		case <-time.After(graceTime):
		}
	}
	end(b)
	close(stop)
	err = cmd.Wait()
	a := Answer{Ended: true}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		a.Signal = int(ws.Signal())
	} else {
		a.Code = cmd.ProcessState.ExitCode()
	}
	_, _ = conn.Write(a.Encode()) // they may have gone
	awaitPeer(conn)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil // that it failed is the session's matter
	}
	return errors.Join(err, s.own(tty, int(s.Server)))
}

// awaitPeer waits until muxward-pane has ended. tmux closes a pane when its terminal has, and
// there are versions (3.3a with libutempter) that then miss how a process has ended that does
// so just then: as long as we have the terminal open, it has not.
func awaitPeer(conn *net.UnixConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	var cred *unix.Ucred
	if raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return
	}
	fd, err := unix.PidfdOpen(int(cred.Pid), 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd)
	for end := time.Now().Add(peerTime); time.Now().Before(end); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(end)/time.Millisecond))
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}

// own gives the terminal to an account, as login(1) does: nobody else reads it, and only
// the group of terminals writes to it.
func (s *Session) own(tty *os.File, uid int) error {
	gid, mode := s.TTYGroup, os.FileMode(0o620)
	if gid < 0 {
		gid, mode = int(s.GID), 0o600
	}
	if err := errors.Join(tty.Chmod(0o600), tty.Chown(uid, gid), tty.Chmod(mode)); err != nil {
		return fmt.Errorf("give the terminal to uid %d: %w", uid, err)
	}
	return nil
}

// enter starts what becomes the session.
func (s *Session) enter(tty *os.File, b *branch) (*exec.Cmd, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", EnterArg)
	cmd.Args[0] = "muxward-pane"
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.ExtraFiles = []*os.File{r}
	// Not Setctty: that takes a terminal by force from the session that has it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	b.with(cmd.SysProcAttr)
	err = cmd.Start()
	_ = r.Close() // as in Start
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the session: %w", err), w.Close())
	}
	if err := s.write(w); err != nil {
		return nil, errors.Join(fmt.Errorf("open the session: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	return cmd, nil
}

// waitEnd waits until a child has ended, and leaves it to be waited for.
func waitEnd(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}
