package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/pane"
)

// Found lists the ids of the servers that an earlier muxward has left written down, and
// takes away what else is left of it, which is done once. It is refused when anything else was
// asked for before.
func (k *Keep) Found(ctx context.Context) (found []string, err error) {
	_, end, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if before, err := k.beginFind(); before != nil || err != nil {
		return before, err
	}
	defer func() { k.endFind(found, err) }()
	again, err := openDirAt(int(k.servers.Fd()), ".")
	if err != nil {
		return nil, err
	}
	names, err := again.Readdirnames(-1)
	if err = errors.Join(err, again.Close()); err != nil {
		return nil, fmt.Errorf("list the servers of an earlier muxward: %w", err)
	}
	kept := map[string]bool{}
	for _, n := range names {
		if id, ok := strings.CutSuffix(n, ".json"); ok && validID(id) && !kept[id] {
			kept[id] = true
			found = append(found, id)
		}
	}
	for _, n := range names {
		if id, _, _ := strings.Cut(n, "."); validID(id) && !kept[id] {
			k.forget(id)
		}
	}
	k.sweep(kept)
	return found, nil
}

// Adopt takes hold of a server that an earlier muxward has left, if it still runs.
func (k *Keep) Adopt(ctx context.Context, id string) (Held, error) {
	ctx, end, err := k.begin(ctx)
	if err != nil {
		return Held{}, err
	}
	defer end()
	if err := k.beginOurs(); err != nil {
		return Held{}, err
	}
	if !validID(id) {
		return Held{}, fmt.Errorf("%.20q is no server's id: %w", id, ErrRefused)
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return Held{}, ctx.Err()
	}
	if s, err := k.server(id); err == nil {
		return k.again(ctx, s)
	}
	rec, err := k.readRecord(id)
	if errors.Is(err, unix.ENOENT) {
		err = fmt.Errorf("nothing is written down of it: %w", ErrEnded)
	}
	if err != nil {
		return Held{}, k.notAdopted(id, err)
	}
	if err := k.reserve(rec.Owner); err != nil {
		return Held{}, k.notAdopted(id, err)
	}
	s, err := k.adopt(ctx, rec)
	k.settle(rec.Owner, s)
	switch {
	case err == nil:
		return s.as(), nil
	case errors.Is(err, ErrEnded):
		k.forget(id)
		k.tellEnded(rec, "while no muxward ran")
	}
	return Held{}, k.notAdopted(id, err)
}

func (k *Keep) notAdopted(id string, err error) error {
	return fmt.Errorf("%s/servers/%s: %w", k.opt.Run, id, err)
}

// again gives a server that is held already, and whose inner door is not open: who has
// asked before may not have heard of it.
func (k *Keep) again(ctx context.Context, s *server) (Held, error) {
	s.mu.Lock()
	no := s.given || s.opened()
	ended := s.ended() || s.proc.dead()
	_, _, err := s.proc.runsAs()
	if !no && ended { // told here, as who did not hear of it is not told otherwise
		s.given = true
		s.supervised()
	}
	s.mu.Unlock()
	switch {
	case no:
		return Held{}, fmt.Errorf("the tmux server of %s is held already: %w", s.rec.Owner, ErrRefused)
	case ended:
		k.tellEnded(s.rec, "before its door was opened")
		select {
		case <-s.left:
		case <-ctx.Done():
		}
		return Held{}, k.notAdopted(s.rec.ID, ErrEnded)
	case err != nil:
		return Held{}, k.notAdopted(s.rec.ID, err)
	}
	return s.as(), nil
}

// sweep removes what was under way when an earlier muxward was killed, and the
// inner doors of servers that are known to nobody.
func (k *Keep) sweep(kept map[string]bool) {
	for _, parent := range []*os.File{k.servers, k.doors.dir} {
		again, err := openDirAt(int(parent.Fd()), ".")
		if err != nil {
			continue
		}
		names, _ := again.Readdirnames(-1) // what cannot be listed stays
		_ = again.Close()
		for _, n := range names {
			id, inner := strings.CutPrefix(n, innerName(""))
			if strings.HasPrefix(n, temporary) || inner && parent == k.doors.dir && validID(id) && !kept[id] {
				if parent == k.doors.dir {
					k.doors.clearOwned(n)
				} else {
					_ = clearDir(parent, n) // with something of others in it, it stays
				}
			}
		}
	}
}

func (k *Keep) readRecord(id string) (record, error) {
	data, err := readAt(k.servers, id+".json", maxRecord)
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

// tellEnded tells of it later: to find out what is left behind may take a while, and nobody's
// adoption waits for that.
func (k *Keep) tellEnded(rec record, when string) {
	k.wg.Go(func() {
		text := fmt.Sprintf("tmux server of %s (process %d) has ended %s", rec.Owner, rec.PID, when)
		level := LevelServer
		if left := leftBehind(&k.memory, k.innerPath(rec.ID)); len(left) > 0 {
			level = LevelAlarm
			text += "; left behind, without a terminal: " + describe(left)
		}
		k.events.put(Event{Kind: EventNotice, Level: level, Text: text})
	})
}

// adopt takes over one server. The record was written by us, but nothing in it
// is true any more until the kernel says so, and the server, to who asks it.
func (k *Keep) adopt(ctx context.Context, rec record) (*server, error) {
	// ErrEnded has all of it cleared away, so it needs proof: every other error leaves
	// what is there as it is.
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if rec.Boot != boot {
		return nil, ErrEnded
	}
	// It is never taken for somebody's that was nobody's, or the other way round.
	_, isolated := k.isolated(rec.Owner)
	gone := k.outOfForce(rec)
	if isolated != rec.Isolated && !gone {
		return nil, fmt.Errorf("%s is the name of an isolated server, or was when it was started; end process %d", rec.Owner, rec.PID)
	}
	if !k.opt.Root && rec.Account.UID != uint32(os.Geteuid()) {
		return nil, fmt.Errorf("it runs as uid %d, and we do not", rec.Account.UID)
	}
	if rec.PID == 0 {
		if rec.PID, err = startedFor(&k.memory, k.innerPath(rec.ID), rec.Account.UID, k.opt.Tmux); err != nil {
			return nil, err
		}
	}
	proc, err := holdProcess(rec.PID, rec.Start)
	if err != nil {
		return nil, err
	}
	uid, exe, err := proc.runsAs()
	if err == nil && uid != rec.Account.UID {
		err = fmt.Errorf("process %d runs as uid %d, not %d", rec.PID, uid, rec.Account.UID)
	}
	if err == nil && rec.Exe != "" && exe != rec.Exe {
		err = fmt.Errorf("process %d runs %s, not %s", rec.PID, exe, rec.Exe)
	}
	if err == nil && gone {
		defer proc.close()
		return nil, k.endGone(ctx, rec, proc)
	}
	if err == nil { // or whoever may ask now would have what was started for another
		err = k.stillFor(ctx, rec)
	}
	rec.Start = proc.start
	s := newServer(k, rec)
	s.proc, s.adopted = proc, true
	if err == nil && rec.Stopped { // muxward may have been killed as it let it go on, and nobody was told so
		err = proc.signal(unix.SIGSTOP)
	}
	if err == nil && rec.Frozen { // and its panes, which go on before it
		_, _, err = pane.Freeze(s.mindsPane, true)
	}
	if err == nil {
		err = s.reopen(ctx)
	}
	if err == nil && rec.Isolated {
		err = s.openLaunch(ctx)
		s.serveLaunch()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// Servers are adopted one after the other, and a directory that does not answer is to hold up nobody
// else's, however many of its accounts have servers: after the first of which nothing was heard in
// adoptAsk, the others of the next slowFor have adoptGlance. All are tried again.
const (
	adoptAsk    = time.Second
	adoptGlance = 20 * time.Millisecond
	slowFor     = 30 * time.Second
)

// stillFor refuses a server whose account is not what it was started for any more. With turn held.
func (k *Keep) stillFor(ctx context.Context, rec record) error {
	patience := adoptAsk
	if !k.slow.IsZero() && time.Since(k.slow) < slowFor {
		patience = adoptGlance
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, _, err := k.accountFor(ctx, rec.Owner, Account{rec.Account.Name, rec.Account.UID})
	switch {
	case err != nil && ctx.Err() != nil && patience == adoptAsk:
		k.slow = time.Now()
	case err == nil && rec.Account.Directory:
		k.slow = time.Time{}
	}
	if errors.Is(err, accounts.ErrUnanswered) { // in the same words each time: who is told of it is not told again
		err = fmt.Errorf("%s, and the directory service does not tell whether uid %d is still the account %q", rec.Owner, rec.Account.UID, rec.Account.Name)
	}
	return err
}

// reopen finds the server's socket, or has the server make a new one.
func (s *server) reopen(ctx context.Context) error {
	k := s.k
	dir, err := openDirAt(int(k.servers.Fd()), s.rec.ID)
	if errors.Is(err, unix.ENOENT) {
		if err = makeFor(k.servers, s.rec.ID, s.rec.Account); err == nil {
			dir, err = openDirAt(int(k.servers.Fd()), s.rec.ID)
		}
	}
	if err != nil {
		return err
	}
	s.dir = dir
	if err := s.fetchSocket(); err != nil {
		return err
	}
	switch err := s.pin(); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, errNoSocket):
		if err := s.rescue(ctx); err != nil {
			k.tell(LevelAlarm, s, fmt.Sprintf("the tmux server of %s cannot be reached: %v; it is tried again", s.rec.Owner, err))
		}
	case err != nil: // nobody knows whether it is there
		return err
	}
	return nil
}

// fetchSocket moves the socket away if tmux listens at its own path: we were
// killed before we moved it, or it made it anew.
func (s *server) fetchSocket() error {
	who, ok := listener(s.k.doors.dir, innerName(s.rec.ID), "s")
	if !ok || int(who.Pid) != s.rec.PID {
		return nil
	}
	from, err := openDirAt(int(s.k.doors.dir.Fd()), innerName(s.rec.ID))
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
func (s *server) rescue(ctx context.Context) error {
	k := s.k
	ctx, cancel := context.WithTimeout(ctx, rescueTime)
	defer cancel()
	name := innerName(s.rec.ID)
	if err := k.doors.mayReplace(s.rec.Account.UID); err != nil {
		return err
	}
	var from *os.File
	old, err := swapIn(k.doors.dir, name, func(tmp string) (err error) {
		if from, err = openDirAt(int(k.doors.dir.Fd()), tmp); err == nil && s.rec.Account.UID != uint32(os.Geteuid()) {
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
		_ = k.doors.clear(s.rec.Account.UID, old) // the door's check takes care of the door
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
			return ErrEnded
		}
	}
}
