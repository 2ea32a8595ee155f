package guard

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// startTime is how long a server may take until it listens.
const startTime = 10 * time.Second

// Client is the client of a server's own account that the server is started
// for. Where it is, the sessions begin that the configuration makes; of its
// environment the server has what is listed.
type Client struct {
	Dir     string
	Environ []string
}

// Start gives the server of a person, and starts it as the account if it does
// not run. It returns when the server has read its configuration. However many
// ask at once, one server is started; an asker whose ctx ends goes without
// ending the start.
//
// first is the owner's own client that the server is started for, if it is
// started now.
//
// A server without sessions waits some seconds for the first one; whoever
// needs it longer holds it ([Server.Hold]).
func (g *Guard) Start(ctx context.Context, owner string, a identity.Account, first Client) (*Server, error) {
	for {
		s, call, err := g.running(owner, a, first)
		if err != nil {
			return nil, err
		}
		if s != nil {
			err := s.wait(ctx)
			if err != nil && s.Cause() == nil {
				return nil, err
			}
			if err == nil && s.stay() == nil {
				return s, nil
			}
			// It is on its way out: the next one comes after it.
			select {
			case <-s.done:
			case <-ctx.Done():
				return nil, fmt.Errorf("the tmux server of %s neither answers nor ends: %w", owner, ctx.Err())
			case <-time.After(connectTime):
				return nil, fmt.Errorf("the tmux server of %s neither answers nor ends; look at process %d", owner, s.PID())
			}
			continue
		}
		select {
		case <-call.done:
			if call.err != nil {
				return nil, call.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("start the tmux server of %s: %w", owner, ctx.Err())
		}
	}
}

// running gives the server that runs, or the start that is under way, which it
// begins if there is none.
func (g *Guard) running(owner string, a identity.Account, first Client) (*Server, *startCall, error) {
	if _, err := identity.CanonicalName(owner); err != nil {
		return nil, nil, err
	}
	if !g.opt.Root && a.UID != uint32(os.Geteuid()) {
		return nil, nil, fmt.Errorf("start a tmux server for uid %d: only root can do that for another account", a.UID)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, nil, errors.New("muxward is stopping")
	}
	if s := g.byOwner[owner]; s != nil {
		if s.rec.Account.UID != a.UID {
			return nil, nil, fmt.Errorf("the tmux server of %s runs as uid %d, not %d; end it first", owner, s.rec.Account.UID, a.UID)
		}
		return s, nil, nil
	}
	if call := g.starting[owner]; call != nil {
		return nil, call, nil
	}
	call := &startCall{done: make(chan struct{})}
	g.starting[owner] = call
	g.wg.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, startTime)
		defer cancel()
		err := g.start(ctx, owner, a, first)
		g.mu.Lock()
		delete(g.starting, owner)
		call.err = err
		g.mu.Unlock()
		close(call.done)
	})
	return nil, call, nil
}

// start starts a server and moves its socket to where only we look.
func (g *Guard) start(ctx context.Context, owner string, a identity.Account, first Client) (err error) {
	rec := record{ID: randomHex(idLen), Mark: randomHex(markLen), Owner: owner, Account: a, Boot: bootID()}
	defer func() {
		if err != nil {
			err = fmt.Errorf("start the tmux server of %s: %w", owner, err)
		}
	}()
	inner := g.innerPath(rec.ID)
	if len(inner) > maxSocketPath {
		return fmt.Errorf("the socket path %s is longer than %d bytes; use a shorter doors directory", inner, maxSocketPath)
	}
	s := newServer(g, rec)
	s.first = first
	if err := g.launch(s); err != nil {
		s.abandon()
		return err
	}
	if err := s.takeSocket(ctx); err != nil {
		err = fmt.Errorf("%w%s", err, g.logTail(rec.ID))
		s.abandon()
		return err
	}
	if err := s.open(); err != nil {
		s.abandon()
		return err
	}
	return nil
}

func randomHex(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func (g *Guard) innerPath(id string) string { return g.doors.path + "/" + innerName(id) + "/s" }

// launch makes the directories and runs tmux.
func (g *Guard) launch(s *Server) error {
	rec := &s.rec
	conf, err := configuration(rec.Mark, g.configFiles(rec.Account))
	if err != nil {
		return err
	}
	if err := writeAt(g.servers, rec.ID+".conf", []byte(conf), 0o644); err != nil {
		return err
	}
	for _, d := range []struct {
		parent *os.File
		name   string
	}{{g.servers, rec.ID}, {g.doors.dir, innerName(rec.ID)}} {
		if err := makeFor(d.parent, d.name, rec.Account); err != nil {
			return err
		}
	}
	if s.dir, err = openDirAt(int(g.servers.Fd()), rec.ID); err != nil {
		return err
	}
	if err := rec.save(g.servers); err != nil { // before it runs: it must never be lost
		return err
	}
	pid, err := g.exec(s)
	if err != nil {
		return fmt.Errorf("run %s: %w", g.opt.Tmux, err)
	}
	if s.proc, _, err = holdPID(pid); err != nil {
		return err
	}
	rec.PID, rec.Start = pid, s.proc.start
	return rec.save(g.servers)
}

// makeFor makes a fresh directory that only the account can use.
func makeFor(parent *os.File, name string, a identity.Account) error {
	at := int(parent.Fd())
	if err := unix.Mkdirat(at, name, 0o700); err != nil {
		return fmt.Errorf("make %s/%s: %w", parent.Name(), name, err)
	}
	err := unix.Fchmodat(at, name, 0o700, 0) // whatever our umask is
	if err == nil && a.UID != uint32(os.Geteuid()) {
		err = unix.Fchownat(at, name, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("make %s/%s: %w", parent.Name(), name, err)
	}
	return nil
}

// launcher sets what only the process itself can set, and becomes tmux. The
// limit is raised only: tmux gives up below some dozens of descriptors.
const launcher = `umask "$1"; shift
n=$(ulimit -S -n); [ "$n" = unlimited ] || [ "$n" -ge 1024 ] || ulimit -S -n 1024 2>/dev/null
exec "$@"`

// exec runs tmux in a session of its own and does not wait for it: it has to
// outlive us.
func (g *Guard) exec(s *Server) (int, error) {
	rec := s.rec
	log, err := g.createLog(rec.ID)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	conf := g.opt.Run + "/servers/" + rec.ID + ".conf"
	cmd := exec.Command("/bin/sh", "-c", launcher, "sh", fmt.Sprintf("%04o", g.opt.Umask),
		g.opt.Tmux, "-D", "-S", g.innerPath(rec.ID), "-f", conf)
	cmd.Env = taken(g.environment(rec.Account), s.first.Environ)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a := rec.Account; g.opt.Root {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
	}
	// A home that is not there or not ours to enter is no reason to refuse.
	for _, dir := range []string{rec.Account.Home, "/"} {
		if dir == "" {
			continue
		}
		again := *cmd
		again.Dir = dir
		if err = again.Start(); err == nil {
			pid := again.Process.Pid
			return pid, again.Process.Release() // we wait for it by pidfd
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			break
		}
	}
	return 0, err
}

func (g *Guard) createLog(id string) (*os.File, error) {
	fd, err := unix.Openat(int(g.servers.Fd()), id+".log", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create the server's log: %w", err)
	}
	return os.NewFile(uintptr(fd), id+".log"), nil
}

// logTail is what tmux said before it gave up.
func (g *Guard) logTail(id string) string {
	data, err := readAt(g.servers, id+".log", 4096)
	text := strings.TrimSpace(string(data))
	if err != nil || text == "" {
		return ""
	}
	return fmt.Sprintf(" (tmux says: %.500q)", text)
}

// takeSocket waits until the server has bound its socket and moves it away
// from where the server believes it to be.
func (s *Server) takeSocket(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	from, err := openDirAt(int(s.g.doors.dir.Fd()), innerName(s.rec.ID))
	if err != nil {
		return err
	}
	defer from.Close()
	for {
		st, err := statAt(from, "s")
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			return s.adoptSocket(from)
		}
		if begun, state, err := startOf(s.rec.PID); err != nil || begun != s.rec.Start || state == 'Z' {
			return errors.New("tmux ended at once: " + s.proc.ending())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("tmux does not listen: %w", ctx.Err())
		}
	}
}
