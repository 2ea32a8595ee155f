package pane

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors of the process that minds a session.
const (
	superviseConn = 3 + iota
	superviseTTY
	superviseSession
	superviseServer
	superviseWhy
)

// graceTime is how long programs have to end by themselves after the hang-up.
const graceTime = time.Second

// peerTime is how long muxward-pane may take to end once it was told.
const peerTime = 5 * time.Second

// Start starts the process that minds a session of a server: it answers who asks from here
// on, and goes on when we end, until the tmux server has, whose pidfd is given. The caller
// waits for it, and reads from why what it has to say of a session that was none, whose program
// could not be run, or that was not closed. The server's name and id are for others to see, among its arguments.
func Start(program string, s *Session, a *Asking, tty, server *os.File) (child *os.Process, why *os.File, err error) {
	conn, err := a.conn.File()
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	why, says, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer says.Close()
	child, err = start(program, s, []*os.File{conn, tty, nil, server, says})
	if err != nil {
		return nil, nil, errors.Join(err, why.Close())
	}
	return child, why, nil
}

// start starts it with these descriptors; that of the session it makes.
func start(program string, s *Session, files []*os.File) (*os.Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	files[superviseSession-superviseConn] = r
	cmd := exec.Command(program, SuperviseArg, s.Owner, s.ID)
	cmd.Dir, cmd.Env = "/", append([]string{"PATH=/usr/bin:/bin"}, passed()...)
	cmd.ExtraFiles = files
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

// The exit codes of the process that minds a session, for whoever has started it.
const (
	// RefusedCode: there was no session, and whoever asked was told why.
	RefusedCode = 3
	// UnclosedCode: PAM did not come to close the session, or not all of it was ended.
	UnclosedCode = 4
)

// Unclosed is the error of a session that has not ended as it has to, or of one that was refused
// when something of it was open.
type Unclosed struct {
	error
	refused bool
}

// Unwrap gives what is wrong.
func (u Unclosed) Unwrap() error { return u.error }

// CodeOf gives the exit code for an error of Supervise.
func CodeOf(err error) int {
	if errors.As(err, new(Unclosed)) {
		return UnclosedCode
	}
	return RefusedCode
}

// Supervise minds one session: it is root, in a session of its own.
func Supervise() error {
	for fd := superviseConn; fd <= superviseWhy; fd++ {
		unix.CloseOnExec(fd)
	}
	if os.Getuid() != 0 {
		return errors.New("this is started by muxward; there is nothing to do here by hand")
	}
	if err := noDumps(); err != nil {
		return err
	}
	conn, err := connOf(superviseConn)
	if err != nil {
		return err
	}
	// It is not closed: that would wait for a read that hangs by what was sent (Listener).
	in := os.NewFile(superviseSession, "session")
	s, err := readSession(in)
	why := os.NewFile(superviseWhy, "why")
	defer runtime.KeepAlive(why)
	if err == nil {
		s.why = why
		tty := os.NewFile(superviseTTY, "terminal")
		defer runtime.KeepAlive(tty)
		err = s.mind(conn, tty, ends(conn, superviseServer))
	}
	_ = in.Close() // it was read
	if err != nil {
		_, _ = why.Write([]byte(clip(err.Error()))) // whoever has started us may have gone
	}
	if left := new(Unclosed); err != nil && (!errors.As(err, left) || left.refused) {
		_, _ = conn.Write(Answer{Refused: err.Error()}.Encode()) // they may have gone
	}
	return err
}

// ends is closed when a session has to end: muxward-pane says so or has gone, which whoever
// has the server's account can put off, or the tmux server has ended.
func ends(conn net.Conn, server int) <-chan struct{} {
	gone := make(chan struct{})
	var once sync.Once
	over := func() { once.Do(func() { close(gone) }) }
	go func() {
		var none [1]byte
		_, _ = conn.Read(none[:]) // nothing is ever said: it is the end
		over()
	}()
	go func() {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(server), Events: unix.POLLIN}}, -1)
			if n > 0 || err != nil && err != unix.EINTR {
				over()
				return
			}
		}
	}()
	return gone
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

// begun is a session that has begun, whoever holds it.
type begun struct {
	pid    int           // which it began with
	ended  <-chan Answer // how it has ended; closed without if whoever holds it has
	hangUp func()
	close  func() error // closes what PAM has opened
	spared spared       // what is not of the session
}

// mind opens the session, waits for it, and ends what it leaves behind.
func (s *Session) mind(conn *net.UnixConn, tty *os.File, gone <-chan struct{}) error {
	if err := keepOrphans(); err != nil {
		return err
	}
	b := newBranch(s.Bounds)
	defer b.close()
	if err := s.Bounds.unmet(b.missing); err != nil {
		return err
	}
	s.Branched, s.Join = b.dir != nil, b.join
	open := s.open
	if s.Rules != nil {
		_, _ = conn.Write(Answer{Asked: true}.Encode()) // as below
		open = s.openByRules
	}
	r, err := open(tty, b, gone)
	if err != nil {
		end(b, spared{}, time.Now().Add(endTime))
		return errors.Join(err, s.own(tty, int(s.Server)))
	}
	rec := record{tty: s.TTY, pid: r.pid, user: s.Account, host: "muxward:" + s.Owner}
	rec.login()
	_, _ = conn.Write(Answer{Begun: true}.Encode()) // if they have gone, that is noticed next
	stop := make(chan struct{})
	go reapOrphans(r.pid, stop)
	a, err := s.wait(r, b, gone)
	close(stop)
	_, _ = conn.Write(a.Encode()) // they may have gone
	if errClose := r.close(); errClose != nil {
		err = errors.Join(err, Unclosed{error: errClose})
	}
	if !end(b, spared{}, time.Now().Add(endTime)) {
		err = errors.Join(err, Unclosed{error: errors.New("not all that the session has begun could be ended")})
	}
	rec.logout()
	awaitPeer(conn)
	return errors.Join(err, s.own(tty, int(s.Server)))
}

// wait waits for the session's end, ends what it leaves behind, and says how it has ended.
func (s *Session) wait(r *begun, b *branch, gone <-chan struct{}) (Answer, error) {
	var a Answer
	ok := false
	var by time.Time
	select {
	case a, ok = <-r.ended:
	case <-gone:
		r.hangUp() // the kernel has told the foreground
		select {
		case a, ok = <-r.ended:
		case <-time.After(graceTime):
			by = time.Now().Add(endTime)
			end(b, r.spared, by)
			select {
			case a, ok = <-r.ended:
			case <-time.After(max(time.Until(by), graceTime)): // it hangs in the kernel: what is open is closed all the same
			}
		}
	}
	if by.IsZero() {
		by = time.Now().Add(endTime)
	}
	end(b, r.spared, by)
	if ok {
		return a, nil
	}
	return Answer{Ended: true, Signal: int(unix.SIGKILL)}, Unclosed{error: errors.New("what the session was held by has ended before it, or it does not end")}
}

// open begins the session without asking anybody.
func (s *Session) open(tty *os.File, b *branch, _ <-chan struct{}) (*begun, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	cmd, err := s.enter(self, tty, b)
	if err != nil {
		return nil, err
	}
	ended := make(chan Answer, 1)
	var mu sync.Mutex
	waited := false
	go func() {
		waitEnd(cmd.Process.Pid)
		mu.Lock()
		defer mu.Unlock()
		ended <- answerOf(cmd)
		waited = true
	}()
	hangUp := func() {
		mu.Lock()
		defer mu.Unlock()
		if !waited { // else its number may be another's
			_ = unix.Kill(-cmd.Process.Pid, unix.SIGHUP)
		}
	}
	return &begun{pid: cmd.Process.Pid, ended: ended, hangUp: hangUp, close: func() error { return nil }}, nil
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

// noDumps keeps what this process knows, as a command and its secrets, out of core files and from
// debuggers. Whatever it becomes has dumps of its own (execve(2)).
func noDumps() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("have no core files: %w", err)
	}
	return nil
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

// enter starts what becomes the session: our program, which is given as it may have been
// replaced since.
func (s *Session) enter(program, tty *os.File, b *branch) (*exec.Cmd, error) {
	if err := s.own(tty, int(s.UID)); err != nil { // not before: who is refused has it for no moment
		return nil, err
	}
	cmd, err := s.startEnter(program, tty, b)
	if err != nil && b.dir != nil && !s.Bounds.asked() {
		// Where it cannot begin in its cgroup, it is what descends from us that is ended; but the
		// bounds that were asked for are that cgroup's.
		cmd, err = s.startEnter(program, tty, &branch{})
	}
	return cmd, err
}

func (s *Session) startEnter(program, tty *os.File, b *branch) (*exec.Cmd, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", enterProgram), EnterArg)
	cmd.Args[0] = Program
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.ExtraFiles = []*os.File{r, program, s.why}
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
