package keep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
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

func (k *Keep) launchPath(id string) string { return k.opt.Run + "/servers/" + launchName(id) }

// openLaunch begins to listen for the panes of an isolated server: at a socket that only
// its account and root can connect to, in a directory that is ours.
func (s *server) openLaunch(ctx context.Context) (err error) {
	k := s.k
	k.tellBounds(s)
	if s.sessions, err = k.counted(ctx, s.rec.Owner); err != nil {
		return err
	}
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
	a.Refuse(clip(saidOf(err)))
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
	s.beginning.RLock()
	defer s.beginning.RUnlock()
	if err := s.mayBegin(); err != nil {
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
	session.TTY = tty.Name()
	return s.mindSession(a, tty, session)
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
	run, person, err := s.accountIn(iso, req)
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
	out.Account, out.Owner, out.ID, out.Person = run.Name, s.rec.Owner, s.rec.ID, person
	if person == "" { // as su(1) does: the account that asks
		out.Person = server.Name
	}
	out.ServerGroups = append(s.k.serverGroups(), server.GID)
	if out.Rules, err = s.k.rulesOf(s.rec.Owner); err != nil {
		return nil, err
	}
	out.Bounds = boundsOf(iso)
	out.Fixed = slices.Sorted(maps.Keys(iso.Environment))
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
