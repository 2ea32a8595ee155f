package keep

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/procfs"
)

// This file is where a pane of an isolated server asks for its session.

const (
	// askTime is how long muxward-pane may take to say what it wants.
	askTime = 5 * time.Second
	// maxAsking is how many may ask at once.
	maxAsking = 32
)

func launchName(id string) string { return id + ".launch" }

// openLaunch begins to listen for the panes of an isolated server: at a socket that only
// its account and root can connect to, in a directory that is ours.
func (s *server) openLaunch() error {
	k := s.k
	name := launchName(s.rec.ID)
	_ = unix.Unlinkat(int(k.servers.Fd()), name, 0) // of an earlier muxward
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: procPath(k.servers) + "/" + name, Net: "unixpacket"})
	if err != nil {
		return fmt.Errorf("listen for the panes of %s: %w", s.rec.Owner, err)
	}
	l.SetUnlinkOnClose(false) // what is there by then may be the next one's
	at := int(k.servers.Fd())
	err = unix.Fchmodat(at, name, 0o600, 0)
	if err == nil {
		err = unix.Fchownat(at, name, int(s.rec.Account.UID), int(s.rec.Account.GID), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the panes of %s: %w", s.rec.Owner, err), l.Close())
	}
	if !pane.Contained() {
		k.tell(LevelServer, s, fmt.Sprintf("panes of %s have no cgroup of their own, as no cgroup2 can be written here: a process that leaves its session outlives its pane", s.rec.Owner))
	}
	s.launch = l
	k.wg.Go(func() { s.serveLaunch(l) })
	return nil
}

// serveLaunch takes panes until the server has ended, or we close.
func (s *server) serveLaunch(l *net.UnixListener) {
	stop := context.AfterFunc(s.k.ctx, func() { _ = l.Close() })
	defer stop()
	turns := make(chan struct{}, maxAsking)
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(calm) // out of descriptors: whoever asks waits
			continue
		}
		turns <- struct{}{} // each is given up after a while
		s.k.wg.Go(func() {
			defer func() { <-turns }()
			s.takePane(conn)
		})
	}
}

// takePane answers one muxward-pane: with a session, or with why not.
func (s *server) takePane(conn *net.UnixConn) {
	defer conn.Close()
	stop := context.AfterFunc(s.k.ctx, func() { _ = conn.Close() })
	defer stop()
	err := s.openPane(conn)
	if err == nil {
		return // who minds the session answers from here on
	}
	s.k.tell(LevelServer, s, fmt.Sprintf("a pane of %s has no session: %v", s.rec.Owner, err))
	_ = conn.SetWriteDeadline(time.Now().Add(askTime))
	_, _ = conn.Write(pane.Answer{Refused: clip(err.Error())}.Encode()) // they may have gone
}

func (s *server) openPane(conn *net.UnixConn) error {
	if err := conn.SetReadDeadline(time.Now().Add(askTime)); err != nil {
		return err
	}
	data, passed, err := receive(conn)
	if err != nil {
		return err
	}
	defer passed.Close()
	req, err := pane.ParseRequest(data)
	if err != nil {
		return err
	}
	index, err := s.isPane(conn, passed)
	if err != nil {
		return err
	}
	// A description of our own: the one that was passed is shared with who passed it.
	fd, err := unix.Open(procPath(passed), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the pane's terminal: %w", err)
	}
	tty := os.NewFile(uintptr(fd), "/dev/pts/"+strconv.Itoa(index))
	defer tty.Close()
	session, err := s.session(req)
	if err != nil {
		return err
	}
	c, err := conn.File()
	if err != nil {
		return err
	}
	defer c.Close()
	cmd, err := pane.Start(s.k.opt.Launcher, session, c, tty)
	if err != nil {
		return fmt.Errorf("run %s: %w", s.k.opt.Launcher, err)
	}
	s.k.reap(cmd.Process)
	return nil
}

// reap waits for a process that minds a session, unless we end first: it outlives us.
func (k *Keep) reap(child *os.Process) {
	p, _, err := holdPID(child.Pid)
	_ = child.Release() // it is waited for by pidfd
	if err != nil {
		return
	}
	k.wg.Go(func() {
		stop := context.AfterFunc(k.ctx, p.close)
		defer stop()
		if p.wait() {
			p.ending()
		}
	})
}

// receive reads one message with one descriptor.
func receive(conn *net.UnixConn) ([]byte, *os.File, error) {
	buf, oob := make([]byte, pane.MaxRequest+1), make([]byte, unix.CmsgSpace(4*4))
	n, oobn, flags, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, nil, fmt.Errorf("what is asked for has not come: %w", err)
	}
	var fds []int
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	for i := range msgs {
		more, e := unix.ParseUnixRights(&msgs[i])
		fds, err = append(fds, more...), errors.Join(err, e)
	}
	if err == nil && len(fds) == 1 && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) == 0 {
		return buf[:n], os.NewFile(uintptr(fds[0]), "terminal"), nil
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return nil, nil, errors.Join(errors.New("what is asked for has no terminal with it, or too much"), err)
}

// isPane makes sure who asks: a process of the server's account that tmux itself has
// started, on a terminal whose other end tmux holds, and which is the one that was
// passed. It gives the terminal's number.
func (s *server) isPane(conn *net.UnixConn, tty *os.File) (int, error) {
	cred, held, err := peer(conn)
	if err != nil {
		return 0, err
	}
	defer held.Close()
	if !fromServer(cred.Uid == s.rec.Account.UID) {
		return 0, fmt.Errorf("uid %d asks, which is not the server's account", cred.Uid)
	}
	st, err := procfs.ReadStat(int(cred.Pid))
	if err != nil {
		return 0, err
	}
	if !fromServer(st.PPID == s.rec.PID && st.Session == int(cred.Pid)) {
		return 0, fmt.Errorf("process %d asks, which the tmux server has not started in a pane", cred.Pid)
	}
	index, device, err := terminal(tty)
	if err != nil {
		return 0, err
	}
	if !fromServer(st.TTY == device && st.TTY != 0) {
		return 0, fmt.Errorf("process %d passes a terminal that is not its own", cred.Pid)
	}
	if !fromServer(s.holdsTerminal(index)) {
		return 0, fmt.Errorf("/dev/pts/%d is not a pane's: the tmux server does not hold it", index)
	}
	if s.ended() || ended(held) {
		return 0, ErrEnded
	}
	return index, nil
}

// peer gives who connected, and holds that process.
func peer(conn *net.UnixConn) (cred *unix.Ucred, held *os.File, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	pidfd := -1
	var inner error
	err = raw.Control(func(fd uintptr) {
		if cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner != nil {
			return
		}
		if pidfd, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); errors.Is(inner, unix.ENOPROTOOPT) {
			pidfd, inner = unix.PidfdOpen(int(cred.Pid), 0) // before Linux 6.5
		}
	})
	if err = errors.Join(err, inner); err != nil {
		return nil, nil, fmt.Errorf("ask the kernel who asks: %w", err)
	}
	unix.CloseOnExec(pidfd)
	return cred, os.NewFile(uintptr(pidfd), "pidfd"), nil
}

// ended reports whether a process that is held has ended.
func ended(pidfd *os.File) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}

// Pseudo-terminals of Unix 98 have the majors 136 to 143, and one number across them
// (devices.txt of the kernel).
const firstPTSMajor, lastPTSMajor = 136, 143

// terminal gives the number of a pseudo-terminal of this host's /dev/pts, and its device
// as /proc/PID/stat has it.
func terminal(tty *os.File) (index int, device uint32, err error) {
	st, err := statFile(tty)
	if err != nil {
		return 0, 0, err
	}
	var pts unix.Stat_t
	if err := unix.Stat("/dev/pts", &pts); err != nil {
		return 0, 0, err
	}
	major, minor := unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || major < firstPTSMajor || major > lastPTSMajor || st.Dev != pts.Dev {
		return 0, 0, errors.New("what is passed is no pseudo-terminal of this host")
	}
	return int(major-firstPTSMajor)<<20 | int(minor), minor&0xff | major<<8 | (minor&^0xff)<<12, nil
}

// holdsTerminal reports whether the tmux server holds the other end of a terminal.
func (s *server) holdsTerminal(index int) bool {
	names, err := os.ReadDir(procFile(s.rec.PID, "fd"))
	if err != nil {
		return false
	}
	want := "tty-index:\t" + strconv.Itoa(index)
	for _, e := range names {
		to, err := os.Readlink(procFile(s.rec.PID, "fd/"+e.Name()))
		if err != nil || filepath.Base(to) != "ptmx" {
			continue
		}
		info, err := procfs.Read(s.rec.PID, "fdinfo/"+e.Name(), 4096)
		for line := range lines(info) {
			if err == nil && line == want {
				return true
			}
		}
	}
	return false
}

// session is what is to run, as the account that root's configuration says.
func (s *server) session(req pane.Request) (*pane.Session, error) {
	iso, ok := s.k.isolated(s.rec.Owner)
	if !ok {
		return nil, errors.New("it is not an isolated server any more")
	}
	server, run, err := iso.accounts()
	if err == nil && server.UID != s.rec.Account.UID {
		err = fmt.Errorf("its account is uid %d now", server.UID)
	}
	if err != nil {
		return nil, err
	}
	out := &pane.Session{UID: run.UID, GID: run.GID, Groups: run.Groups, Shell: shellOf(run), Home: run.Home, Dir: req.Dir,
		Command: req.Command, Umask: int(s.k.opt.Umask), Server: server.UID, TTYGroup: ttyGroup()}
	if tty, like := strings.CutPrefix(req.Dir, pane.Like); like {
		out.Dir = s.directoryOf(tty)
	}
	door := fmt.Sprintf("%s/tmux-%d/default", s.k.doors.path, run.UID)
	out.Env = with(s.k.environment(run), append([]string{"TERM=" + req.Term, "TMUX_PANE=" + req.Pane,
		fmt.Sprintf("TMUX=%s,%d,%s", door, s.rec.PID, req.Session)}, iso.Environ...))
	return out, nil
}

// directoryOf gives where the foreground of another pane of this server is, "" if that
// cannot be told.
func (s *server) directoryOf(tty string) string {
	number, _ := strings.CutPrefix(tty, "/dev/pts/")
	index, err := strconv.ParseUint(number, 10, 20)
	if err != nil || !s.holdsTerminal(int(index)) {
		return ""
	}
	device := uint32(index)&0xff | firstPTSMajor<<8 | (uint32(index)&^0xff)<<12
	for _, pid := range processes() {
		st, err := procfs.ReadStat(pid)
		if err != nil || st.TTY != device || st.Foreground <= 0 {
			continue
		}
		for _, at := range []int{st.Foreground, st.Session} {
			if dir, err := os.Readlink(procFile(at, "cwd")); err == nil && strings.HasPrefix(dir, "/") && len(dir) < maxDir {
				return dir
			}
		}
	}
	return ""
}

const maxDir = 4096

// ttyGroup is the group of terminals, or -1.
func ttyGroup() int {
	g, err := user.LookupGroup("tty")
	if err != nil {
		return -1
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return -1
	}
	return gid
}

// closeLaunch ends the listening, and removes the socket.
func (s *server) closeLaunch() {
	if s.launch != nil {
		_ = s.launch.Close()
	}
}

// isolatedAccount looks up the account that a server has to have.
func (k *Keep) isolatedAccount(owner string, a accounts.Account) (isolated bool, err error) {
	_, isolated = k.isolated(owner)
	return isolated, k.mayRun(owner, a)
}
