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
	said := err.Error()
	if h := new(hushed); errors.As(err, &h) {
		said = h.said
	}
	a.Refuse(clip(said))
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

// countLeft counts the sessions that an earlier muxward has opened. The arguments of a
// process are in its own memory, and to read them may take as long as it likes
// (proc_pid_cmdline(5)): it is done of root's processes alone, and aside.
func (s *server) countLeft(ctx context.Context) error {
	pids, err := processes()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	found := make(chan int)
	go func() {
		defer close(found)
		for _, pid := range pids {
			if !s.minds(pid) {
				continue
			}
			select {
			case found <- pid:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case pid, ok := <-found:
			if !ok {
				return nil
			}
			s.sessions.Add(1)
			s.count(pid)
		case <-ctx.Done():
			return fmt.Errorf("count the sessions of %s's panes: a process of root's does not answer: %w", s.rec.Owner, ctx.Err())
		}
	}
}

// countTime is how long that may take.
const countTime = 10 * time.Second

// minds reports whether a process minds a session of this server.
func (s *server) minds(pid int) bool {
	var st unix.Stat_t
	if unix.Stat(procFile(pid, ""), &st) != nil || st.Uid != 0 {
		return false
	}
	exe, err := os.Readlink(procFile(pid, "exe"))
	if err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != filepath.Base(s.k.opt.Launcher) {
		return false
	}
	cmd, err := s.k.memory.Read(pid, "cmdline", 4096)
	if errors.Is(err, procfs.ErrHung) {
		return true // it may be: there are rather too few places than too many sessions
	}
	argv := strings.Split(string(cmd), "\x00")
	return err == nil && len(argv) > 2 && argv[1] == pane.SuperviseArg && argv[2] == s.rec.ID
}

// session is what is to run, as the account that root's configuration says.
func (s *server) session(req pane.Request) (*pane.Session, error) {
	iso, ok := s.k.isolated(s.rec.Owner)
	if !ok {
		return nil, errors.New("it is not an isolated server any more")
	}
	server, err := accountByName(iso.Account)
	if err == nil && server.UID != s.rec.Account.UID {
		err = fmt.Errorf("its account is uid %d now", server.UID)
	}
	if err != nil {
		return nil, err
	}
	run, err := s.accountIn(iso, req)
	if err == nil {
		err = apart(server, run)
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
	return out, s.program(iso, run, req, out)
}

// directoryOf gives where the foreground of another pane of this server is, "" if that
// cannot be told, or if that is another account's.
func (s *server) directoryOf(tty string, uid uint32) string {
	number, _ := strings.CutPrefix(tty, pts)
	index, err := strconv.ParseUint(number, 10, 20)
	if err != nil {
		return ""
	}
	if held, err := s.holdsTerminal(int(index)); err != nil || !held {
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
		_ = s.launch.Close() // what hangs there hangs aside
	}
}
