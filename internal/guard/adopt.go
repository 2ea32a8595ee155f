package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
)

// Adopt finds the servers that an earlier muxward started and that still run,
// and takes away what is left of those that do not. It does not wait for the
// servers to answer ([Server.Ready] does), and an error is about RUN itself.
func (g *Guard) Adopt(ctx context.Context) error {
	again, err := openDirAt(int(g.servers.Fd()), ".")
	if err != nil {
		return err
	}
	names, err := again.Readdirnames(-1)
	if err = errors.Join(err, again.Close()); err != nil {
		return fmt.Errorf("list the servers of an earlier muxward: %w", err)
	}
	kept := map[string]bool{}
	for _, n := range names {
		id, ok := strings.CutSuffix(n, ".json")
		if !ok || !validID(id) {
			continue
		}
		kept[id] = g.take(ctx, id)
	}
	for _, n := range names {
		if id, _, _ := strings.Cut(n, "."); validID(id) && !kept[id] {
			g.forget(id)
		}
	}
	g.sweep(kept)
	g.mu.Lock()
	g.adopted = true
	g.mu.Unlock()
	g.nudge()
	return nil
}

// take adopts a server if it still runs, and forgets it if not. It reports
// whether there is anything to be kept.
func (g *Guard) take(ctx context.Context, id string) bool {
	rec, err := g.readRecord(id)
	if err == nil {
		err = g.adopt(ctx, rec)
	}
	g.mu.Lock()
	was, again := g.left[id]
	delete(g.left, id)
	if err != nil && !errors.Is(err, errEnded) {
		g.left[id] = err.Error()
	}
	g.mu.Unlock()
	switch {
	case err == nil:
		if s, ok := g.Lookup(rec.Owner); ok && again {
			g.tell(access.EventServer, s, "the tmux server of "+rec.Owner+" is adopted after all")
		}
	case errors.Is(err, errEnded):
		g.forget(id)
		g.tellEnded(rec)
		return false
	case was != err.Error():
		// Somebody's sessions may live there: leave all as it is.
		g.tell(access.EventAlarm, nil, fmt.Sprintf("the tmux server of %s/servers/%s is not adopted: %v; it is tried again", g.opt.Run, id, err))
	}
	return true
}

// adoptLeft tries again what could not be adopted, such as for want of space.
func (g *Guard) adoptLeft() {
	g.mu.Lock()
	ids := slices.Collect(maps.Keys(g.left))
	g.mu.Unlock()
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(g.ctx, inspectTime)
		g.take(ctx, id)
		cancel()
	}
}

// sweep removes what was under way when an earlier muxward was killed, and the
// inner doors of servers that are known to nobody.
func (g *Guard) sweep(kept map[string]bool) {
	for _, parent := range []*os.File{g.servers, g.doors.dir} {
		again, err := openDirAt(int(parent.Fd()), ".")
		if err != nil {
			continue
		}
		names, _ := again.Readdirnames(-1) // what cannot be listed stays
		_ = again.Close()
		for _, n := range names {
			id, inner := strings.CutPrefix(n, innerName(""))
			if strings.HasPrefix(n, temporary) || inner && parent == g.doors.dir && validID(id) && !kept[id] {
				_ = clearDir(parent, n) // with something of others in it, it stays
			}
		}
	}
}

// errEnded is the error of a server that does not run any more.
var errEnded = errors.New("it does not run any more")

func (g *Guard) readRecord(id string) (record, error) {
	data, err := readAt(g.servers, id+".json", maxRecord)
	if err != nil {
		return record{}, err
	}
	rec, err := parseRecord(data)
	if err == nil && rec.ID != id {
		err = errors.New("it names another server")
	}
	if err != nil {
		return record{}, fmt.Errorf("%s.json: %w", id, err)
	}
	return rec, nil
}

func (g *Guard) tellEnded(rec record) {
	text := fmt.Sprintf("tmux server of %s (process %d) has ended while no muxward ran", rec.Owner, rec.PID)
	kind := access.EventServer
	if left := leftBehind(g.innerPath(rec.ID)); len(left) > 0 {
		kind = access.EventAlarm
		text += "; left behind, without a terminal: " + describe(left)
	}
	g.tell(kind, nil, text)
}

// adopt takes over one server. The record was written by us, but nothing in it
// is true any more until the kernel says so, and the server ([Server.believe]).
func (g *Guard) adopt(ctx context.Context, rec record) error {
	if rec.Boot != bootID() {
		return errEnded
	}
	if !g.opt.Root && rec.Account.UID != uint32(os.Geteuid()) {
		return fmt.Errorf("it runs as uid %d, and we do not", rec.Account.UID)
	}
	if _, taken := g.Lookup(rec.Owner); taken {
		return fmt.Errorf("%s has another one already", rec.Owner)
	}
	if rec.PID == 0 {
		pid, ok := startedFor(g.innerPath(rec.ID))
		if !ok {
			return errEnded
		}
		rec.PID = pid
	}
	proc, err := holdProcess(rec.PID, rec.Start)
	if err != nil {
		return fmt.Errorf("%w (%w)", errEnded, err)
	}
	uid, exe, err := proc.runsAs()
	if err == nil && uid != rec.Account.UID {
		err = fmt.Errorf("process %d runs as uid %d, not %d", rec.PID, uid, rec.Account.UID)
	}
	if err == nil && rec.Exe != "" && exe != rec.Exe {
		err = fmt.Errorf("process %d runs %s, not %s", rec.PID, exe, rec.Exe)
	}
	if err != nil {
		proc.close()
		return err
	}
	rec.Start = proc.start
	s := newServer(g, rec)
	s.proc = proc
	if err := s.reopen(ctx); err != nil {
		proc.close()
		return err
	}
	return nil
}

// reopen finds the server's socket, or has the server make a new one, and
// opens the inner door.
func (s *Server) reopen(ctx context.Context) error {
	g := s.g
	dir, err := openDirAt(int(g.servers.Fd()), s.rec.ID)
	if errors.Is(err, unix.ENOENT) {
		if err = makeFor(g.servers, s.rec.ID, s.rec.Account); err == nil {
			dir, err = openDirAt(int(g.servers.Fd()), s.rec.ID)
		}
	}
	if err != nil {
		return err
	}
	s.dir = dir
	if err := s.fetchSocket(); err != nil {
		return errors.Join(err, dir.Close())
	}
	if err := s.pin(); err != nil {
		if err := s.rescue(ctx); err != nil {
			g.tell(access.EventAlarm, s, fmt.Sprintf("the tmux server of %s cannot be reached: %v; it is tried again", s.rec.Owner, err))
		}
	}
	if err := s.open(); err != nil {
		s.finish(err)
		return err
	}
	return nil
}

// fetchSocket moves the socket away if tmux listens at its own path: we were
// killed before we moved it, or it made it anew.
func (s *Server) fetchSocket() error {
	who, ok := listener(s.g.innerPath(s.rec.ID))
	if !ok || int(who.Pid) != s.rec.PID {
		return nil
	}
	from, err := openDirAt(int(s.g.doors.dir.Fd()), innerName(s.rec.ID))
	if err != nil {
		return err
	}
	defer from.Close()
	return s.adoptSocket(from)
}

// rescueTime is how long a server may take to make its socket anew.
const rescueTime = 2 * time.Second

// rescue makes tmux bind a new socket and moves that to where only we look:
// the old one is gone, or more than we can reach it. tmux does so on SIGUSR1
// (tmux(1)), where it believes its socket to be, so that place is given to it
// for the moment.
func (s *Server) rescue(ctx context.Context) error {
	g := s.g
	ctx, cancel := context.WithTimeout(ctx, rescueTime)
	defer cancel()
	name := innerName(s.rec.ID)
	var from *os.File
	old, err := swapIn(g.doors.dir, name, func(tmp string) (err error) {
		if from, err = openDirAt(int(g.doors.dir.Fd()), tmp); err == nil && s.rec.Account.UID != uint32(os.Geteuid()) {
			err = from.Chown(int(s.rec.Account.UID), int(s.rec.Account.GID))
		}
		return err
	})
	if from != nil {
		defer from.Close()
	}
	if err != nil {
		return err
	}
	if old != "" {
		_ = clearDir(g.doors.dir, old) // the door's check takes care of the door
	}
	if err := s.proc.signal(unix.SIGUSR1); err != nil {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if st, err := statAt(from, "s"); err == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			return s.adoptSocket(from)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("tmux does not make its socket anew; is it stopped?")
		case <-s.done:
			return s.cause
		}
	}
}
