package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/procfs"
)

// This file is where a pane of an isolated server asks for its session.

// maxPanes is how many sessions the panes of one server may have.
const maxPanes = 512

func launchName(id string) string { return id + ".launch" }

// openLaunch begins to listen for the panes of an isolated server: at a socket that only
// its account and root can connect to, in a directory that is ours.
func (s *server) openLaunch() error {
	k := s.k
	name := launchName(s.rec.ID)
	_ = unix.Unlinkat(int(k.servers.Fd()), name, 0) // of an earlier muxward
	l, err := pane.Listen(procPath(k.servers) + "/" + name)
	if err != nil {
		return fmt.Errorf("listen for the panes of %s: %w", s.rec.Owner, err)
	}
	at := int(k.servers.Fd())
	err = unix.Fchmodat(at, name, 0o600, 0)
	if err == nil {
		err = unix.Fchownat(at, name, int(s.rec.Account.UID), int(s.rec.Account.GID), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the panes of %s: %w", s.rec.Owner, err), l.Close())
	}
	s.launch = l
	return nil
}

// serveLaunch answers the panes, once the server's process is known.
func (s *server) serveLaunch() {
	if l := s.launch; l != nil {
		s.k.wg.Go(func() { l.Serve(s.k.ctx, s.k.wg.Go, s.takePane) })
	}
}

// takePane answers one muxward-pane: with a session, or with why not.
func (s *server) takePane(a *pane.Asking) {
	err := s.openPane(a)
	if err == nil {
		return // who minds the session answers from here on
	}
	s.refused(err)
	a.Refuse(clip(err.Error()))
}

// refusedEvery is how often it is told that a pane has no session: who asks may do so as
// often as they like.
const refusedEvery = time.Second

// refused tells of a pane without a session, and how many there were since it was told last.
func (s *server) refused(why error) {
	s.mu.Lock()
	s.refusals++
	n, now := s.refusals, time.Now()
	quiet := !s.refusedAt.IsZero() && now.Sub(s.refusedAt) < refusedEvery
	if !quiet {
		s.refusals, s.refusedAt = 0, now
	}
	s.mu.Unlock()
	switch {
	case quiet:
	case n == 1:
		s.k.tell(LevelServer, s, fmt.Sprintf("a pane of %s has no session: %v", s.rec.Owner, why))
	default:
		s.k.tell(LevelServer, s, fmt.Sprintf("%d panes of %s have no session, the last one: %v", n, s.rec.Owner, why))
	}
}

func (s *server) openPane(a *pane.Asking) error {
	req, err := a.Request()
	if err != nil {
		return err
	}
	tty, err := s.terminal(a)
	if err != nil {
		return err
	}
	defer tty.Close()
	session, err := s.session(req)
	if err != nil {
		return err
	}
	if n := s.sessions.Add(1); n > maxPanes {
		s.sessions.Add(-1)
		return fmt.Errorf("its panes have %d sessions, and no more are opened", maxPanes)
	}
	child, err := pane.Start(s.k.opt.Launcher, s.rec.ID, session, a, tty)
	if err != nil {
		s.sessions.Add(-1)
		return fmt.Errorf("run %s: %w", s.k.opt.Launcher, err)
	}
	pid := child.Pid
	_ = child.Release() // it is waited for by pidfd
	s.count(pid)
	return nil
}

// count counts a session less when the process that minds it has ended: that outlives us.
func (s *server) count(pid int) {
	p, _, err := holdPID(pid)
	if err != nil {
		s.sessions.Add(-1)
		return
	}
	s.k.wg.Go(func() {
		stop := context.AfterFunc(s.k.ctx, p.close)
		defer stop()
		if p.wait() {
			p.ending()
			p.close()
			s.sessions.Add(-1)
		}
	})
}

// countLeft counts the sessions that an earlier muxward has opened.
func (s *server) countLeft() error {
	pids, err := processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		cmd, err := procfs.Read(pid, "cmdline", 4096)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		argv := strings.Split(string(cmd), "\x00")
		if len(argv) > 2 && argv[1] == pane.SuperviseArg && argv[2] == s.rec.ID && unix.Stat(procFile(pid, ""), &st) == nil && st.Uid == 0 {
			s.sessions.Add(1)
			s.count(pid)
		}
	}
	return nil
}

// terminal makes sure who asks, and opens its terminal.
func (s *server) terminal(a *pane.Asking) (*os.File, error) {
	index, err := s.isPane(a)
	if err != nil {
		return nil, err
	}
	name := pts + strconv.Itoa(index)
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pane's terminal: %w", err)
	}
	tty := os.NewFile(uintptr(fd), name)
	// What is open keeps its number: if that is the asker's now, this is.
	if again, err := s.isPane(a); err != nil || again != index {
		return nil, errors.Join(errors.New("its terminal is another one now"), err, tty.Close())
	}
	return tty, nil
}

// isPane makes sure who asks: a process of the server's account that tmux itself has
// started, on a terminal of this host that it was given whole, and whose other end tmux
// holds. It gives the terminal's number.
func (s *server) isPane(a *pane.Asking) (int, error) {
	if !fromServer(a.UID == s.rec.Account.UID) {
		return 0, fmt.Errorf("uid %d asks, which is not the server's account", a.UID)
	}
	st, err := procfs.ReadStat(a.PID)
	if err != nil {
		return 0, err
	}
	if !fromServer(st.PPID == s.rec.PID && st.Session == a.PID) {
		return 0, fmt.Errorf("process %d asks, which the tmux server has not started in a pane", a.PID)
	}
	index, ok := terminalOf(st.TTY)
	if !ok {
		return 0, fmt.Errorf("process %d has no terminal", a.PID)
	}
	if err := ownsTerminal(a.PID, index); err != nil {
		return 0, err
	}
	if !fromServer(s.holdsTerminal(index)) {
		return 0, fmt.Errorf("/dev/pts/%d is not a pane's: the tmux server does not hold it", index)
	}
	if s.ended() || a.Ended() {
		return 0, ErrEnded
	}
	return index, nil
}

// Pseudo-terminals have the major 136, and as minor their number (devices.txt of the
// kernel).
const (
	pts      = "/dev/pts/"
	ptsMajor = 136
)

// terminalOf gives the number of a pseudo-terminal from its device, as /proc/PID/stat has
// it.
func terminalOf(device uint32) (int, bool) {
	return int(device&0xff | device>>12&^0xff), device>>8&0xfff == ptsMajor
}

// ownsTerminal makes sure that the standard input of a process is this host's terminal of
// that number, open for reading and writing: another devpts has the same numbers, and a
// process can be in a session there while it asks here. Nothing that it has opened is
// touched for that: all of it is the kernel's own word.
func ownsTerminal(pid, index int) error {
	to, err := os.Readlink(procFile(pid, "fd/0"))
	if err != nil {
		return err
	}
	info, err := procfs.Read(pid, "fdinfo/0", maxInfo)
	if err != nil {
		return err
	}
	mounts, err := terminalMounts()
	if err != nil {
		return err
	}
	flags, err := strconv.ParseInt(infoOf(info, "flags"), 8, 64)
	if err != nil || flags&(unix.O_ACCMODE|unix.O_PATH) != unix.O_RDWR || !mounts[infoOf(info, "mnt_id")] || filepath.Base(to) != strconv.Itoa(index) {
		return fmt.Errorf("the standard input of process %d is not its terminal, /dev/pts/%d of this host", pid, index)
	}
	return nil
}

const maxInfo = 4096

// infoOf gives a field of a file of fdinfo (proc_pid_fdinfo(5)).
func infoOf(info []byte, field string) string {
	for line := range lines(info) {
		if v, ok := strings.CutPrefix(line, field+":\t"); ok {
			return v
		}
	}
	return ""
}

// terminalMounts gives the numbers of the mounts here that have this host's /dev/pts.
func terminalMounts() (map[string]bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(pts, &st); err != nil {
		return nil, err
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	device := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	out := map[string]bool{}
	for line := range lines(info) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == device {
			out[f[0]] = true
		}
	}
	return out, nil
}

// maxDescriptors is how many descriptors of a tmux server are looked at.
const maxDescriptors = 8192

// holdsTerminal reports whether the tmux server holds the other end of a terminal.
func (s *server) holdsTerminal(index int) bool {
	dir, err := os.Open(procFile(s.rec.PID, "fd"))
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxDescriptors) // what cannot be listed is not held
	for _, name := range names {
		to, err := os.Readlink(procFile(s.rec.PID, "fd/"+name))
		if err != nil || filepath.Base(to) != "ptmx" {
			continue
		}
		info, err := procfs.Read(s.rec.PID, "fdinfo/"+name, maxInfo)
		if err == nil && infoOf(info, "tty-index") == strconv.Itoa(index) {
			return true
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
	server, run, err := accountsOf(iso)
	if err == nil && server.UID != s.rec.Account.UID {
		err = fmt.Errorf("its account is uid %d now", server.UID)
	}
	if err != nil {
		return nil, err
	}
	out := &pane.Session{UID: run.UID, GID: run.GID, Groups: run.Groups, Shell: shellOf(run), Home: run.Home, Dir: req.Dir,
		Command: req.Command, Umask: int(s.k.opt.Umask), Server: server.UID, TTYGroup: ttyGroup()}
	if tty, like := strings.CutPrefix(req.Dir, pane.Like); like {
		out.Dir = s.directoryOf(tty, run.UID)
	}
	door := fmt.Sprintf("%s/tmux-%d/default", s.k.doors.path, run.UID)
	out.Env = with(s.k.environment(run), append([]string{"TERM=" + req.Term, "TMUX_PANE=" + req.Pane,
		fmt.Sprintf("TMUX=%s,%d,%s", door, s.rec.PID, req.Session)}, iso.Environ()...))
	return out, nil
}

// directoryOf gives where the foreground of another pane of this server is, "" if that
// cannot be told, or if that is another account's.
func (s *server) directoryOf(tty string, uid uint32) string {
	number, _ := strings.CutPrefix(tty, pts)
	index, err := strconv.ParseUint(number, 10, 20)
	if err != nil || !s.holdsTerminal(int(index)) {
		return ""
	}
	pids, _ := processes() // none is none that is like it
	for _, pid := range pids {
		st, err := procfs.ReadStat(pid)
		if err != nil || st.Foreground <= 0 {
			continue
		}
		if at, ok := terminalOf(st.TTY); !ok || at != int(index) {
			continue
		}
		for _, at := range []int{st.Foreground, st.Session} {
			var owner unix.Stat_t
			if unix.Stat(procFile(at, ""), &owner) != nil || owner.Uid != uid {
				continue
			}
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

// closeLaunch ends the listening.
func (s *server) closeLaunch() {
	if s.launch != nil {
		_ = s.launch.Close()
	}
}
