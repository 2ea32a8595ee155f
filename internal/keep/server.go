package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/pane"
)

// server is a tmux server that is held.
type server struct {
	k       *Keep
	proc    *process
	adopted bool

	done chan struct{} // closed when it has ended
	left chan struct{} // closed when nothing is left of it
	look sync.Mutex    // one look at the server's files at a time; before mu

	halting sync.Mutex // one Halt at a time; before mu
	// beginning is held by each pane from when it is let in until what minds its session runs.
	beginning sync.RWMutex
	asked     atomic.Int64 // looks that the watch has asked for
	mending   atomic.Bool
	lost      atomic.Bool // what is written down of it

	mu      sync.Mutex
	rec     record // ID, Owner, Account, Mark, PID and Start never change
	inner   *door
	watched bool     // its end is waited for; whether its inner door is open is another thing
	given   bool     // up: it is being ended, or was found to have, and nobody is told
	dir     *os.File // RUN/servers/ID
	sock    *os.File // pins the socket's inode
	seen    time.Time
	ours    inodes         // the connections that we made
	strays  strays         // in its directory
	launch  *pane.Listener // of an isolated server
	passes  []pass         // for its panes

	outlived  bool          // its profile, at the last look; of the watch alone
	sessions  *atomic.Int32 // of its panes, and of those of its name before
	refusals  int           // that were not told
	refusedAt time.Time     // when one was told
}

func newServer(k *Keep, rec record) *server {
	return &server{k: k, rec: rec, done: make(chan struct{}), left: make(chan struct{})}
}

// as gives what callers know of it.
func (s *server) as() Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rec
	return Held{ID: r.ID, Owner: r.Owner, Account: r.Account, PID: r.PID, Start: r.Start, Isolated: r.Isolated, Mark: r.Mark,
		Said: Said{Started: r.StartTime, Version: r.Version}, Inner: s.k.innerPath(r.ID), PAM: s.k.serviceOf(r), Stopped: r.Stopped, Frozen: r.Frozen}
}

func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// close lets go of all that is open. With nothing else under way.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLaunch()
	if s.proc != nil {
		s.proc.close()
	}
	for _, f := range []*os.File{s.dir, s.sock} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// endTime is how long a server may take to end that was killed.
const endTime = 3 * time.Second

// end ends a server that was given up, and waits until nothing is left of it. One that
// cannot be ended now, such as while its disk does not answer, is kept as it is: what is
// written down of it stays until it has ended, and its owner gets no other before.
func (s *server) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	err := s.proc.signal(unix.SIGKILL)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !s.proc.dead() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-s.left: // its end was waited for already
			return nil
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	s.supervised()
	s.mu.Unlock()
	select {
	case <-s.left:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("process %d was killed and does not end; what is known of it is kept until it does", s.rec.PID), err)
	}
}

// givenUp reports whether it is being ended: nothing of it is put right any more.
func (s *server) givenUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given
}

// opened reports whether the inner door is open. With mu held.
func (s *server) opened() bool {
	if s.inner == nil {
		return false
	}
	s.inner.mu.Lock()
	defer s.inner.mu.Unlock()
	return !s.inner.closed
}

// Abandon ends a server that was started, and whose inner door is not open.
func (k *Keep) Abandon(ctx context.Context, id string) error {
	ctx, end, err := k.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	s, err := k.server(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	no := s.adopted || s.opened()
	s.given = s.given || !no
	s.mu.Unlock()
	if no {
		return fmt.Errorf("end the tmux server of %s: it is not one that was just started: %w", s.rec.Owner, ErrRefused)
	}
	if err := s.end(ctx); err != nil {
		return fmt.Errorf("end the tmux server of %s: %w", s.rec.Owner, err)
	}
	return nil
}

// Note writes down what a server says of itself.
func (k *Keep) Note(ctx context.Context, id string, said Said) error {
	_, end, err := k.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	s, err := k.server(id)
	if err != nil {
		return err
	}
	if said.Started < 0 || len(said.Version) > MaxVersion || !printable(said.Version) {
		return fmt.Errorf("the tmux server of %s: what it says of itself has no usable form: %w", s.rec.Owner, ErrRefused)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended() {
		return fmt.Errorf("the tmux server of %s: %w", s.rec.Owner, ErrEnded)
	}
	s.rec.Version, s.rec.StartTime = said.Version, said.Started
	if _, s.rec.Exe, err = s.proc.runsAs(); err != nil {
		return err
	}
	return s.rec.save(k.servers)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// supervised has its end waited for, once. With mu held.
func (s *server) supervised() {
	if !s.watched {
		s.watched = true
		s.k.wg.Go(s.supervise)
	}
}

// supervise waits for the server's end and clears up after it.
func (s *server) supervise() {
	k := s.k
	if !s.proc.dead() { // which is cleared away, also while we are being closed
		stop := context.AfterFunc(k.ctx, s.proc.close)
		defer stop()
		if !s.proc.wait() {
			return // let go
		}
	}
	how := s.proc.ending()
	s.mu.Lock()
	told := !s.given
	close(s.done)
	s.mu.Unlock()
	k.drop(s)
	if told {
		k.events.put(Event{Kind: EventEnded, ID: s.rec.ID, Owner: s.rec.Owner, Text: how})
	}
	s.look.Lock() // what looks at it just now ends first
	if s.inner != nil {
		if err := k.closeDoor(s.inner); err != nil {
			k.tell(LevelDoor, s, fmt.Sprintf("close the door %s: %v", s.inner.path(), err))
		}
	}
	s.close()
	s.look.Unlock()
	k.forget(s.rec.ID)
	close(s.left)
	if told {
		k.events.put(Event{Kind: EventLeft, ID: s.rec.ID, Owner: s.rec.Owner, Text: describe(leftBehind(&k.memory, k.innerPath(s.rec.ID)))})
	}
}

// openInner opens the inner door, and has the server's end waited for. A door that was
// closed can be opened again: who has asked for it may not have heard that it is open.
func (s *server) openInner(p Place) (Opened, error) {
	s.look.Lock()
	defer s.look.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given || s.ended() {
		return Opened{}, fmt.Errorf("open the inner door of %s: %w", s.rec.Owner, ErrEnded)
	}
	a := s.rec.Account
	if s.opened() {
		return Opened{}, fmt.Errorf("open the inner door of %s: it is open: %w", s.rec.Owner, ErrRefused)
	}
	d, out, err := s.k.doors.openDoor(&door{place: p, dirName: innerName(s.rec.ID), sockName: "s", uid: a.UID, gid: a.GID, exec: 0o111, replaced: s.k.replaced})
	if err != nil {
		return Opened{}, err
	}
	s.inner = d
	s.supervised()
	return out, nil
}

// adoptSocket moves the socket that tmux has bound in from to where only we
// look.
func (s *server) adoptSocket(from *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := unix.Renameat(int(from.Fd()), "s", int(s.dir.Fd()), "s"); err != nil {
		return fmt.Errorf("move the server's socket: %w", err)
	}
	return s.pin()
}

// pin holds on to the socket at its place. The directory is the account's, so that
// something else than its socket may be there: that is not touched, let alone given away.
func (s *server) pin() error {
	sock, err := pinSocket(s.dir, "s", s.rec.Account.UID)
	if err != nil {
		return err
	}
	if s.sock != nil {
		_ = s.sock.Close()
	}
	s.sock = sock
	return nil
}

// connect connects to the server as its account, without waiting, and remembers that the
// connection is ours.
func (s *server) connect() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended():
		return nil, ErrEnded
	case s.sock == nil:
		return nil, ErrNoSocket
	}
	conn, err := dial(s.sock, s.rec.Account.UID, s.rec.PID)
	if err != nil {
		return nil, err
	}
	if err := s.ours.add(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Connect connects to a server as its account.
func (k *Keep) Connect(ctx context.Context, id string) (*os.File, error) {
	_, end, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	s, err := k.server(id)
	if err != nil {
		return nil, err
	}
	conn, err := s.connect()
	if err != nil {
		if !errors.Is(err, ErrBusy) {
			k.nudge() // the watch knows what to do about it
		}
		return nil, fmt.Errorf("connect to the tmux server of %s: %w", s.rec.Owner, err)
	}
	return conn, nil
}

// mendTime is how long Mend may take.
const mendTime = 2 * rescueTime

// Mend does something about a server that cannot be connected to.
func (k *Keep) Mend(ctx context.Context, id string) error {
	ctx, end, err := k.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, mendTime)
	defer cancel()
	s, err := k.server(id)
	if err != nil {
		return err
	}
	if s.givenUp() {
		return fmt.Errorf("the tmux server of %s: %w", s.rec.Owner, ErrEnded)
	}
	if !s.mending.CompareAndSwap(false, true) {
		return fmt.Errorf("mend the tmux server of %s, which is done already: %w", s.rec.Owner, ErrBusy)
	}
	defer s.mending.Store(false)
	if err := s.lookSoon(ctx); err != nil {
		return err
	}
	defer k.nudge() // for the door, whose place a new socket needs
	defer s.look.Unlock()
	wrong, err := s.checkSocket(ctx)
	if len(wrong) == 0 && err == nil {
		if conn, again := s.connect(); again == nil {
			_ = conn.Close()
		} else if !s.ended() && !errors.Is(again, ErrBusy) {
			wrong, err = []string{again.Error()}, s.rescue(ctx)
		}
	}
	k.report(LevelAlarm, s, "the guarded socket of "+s.rec.Owner, wrong, err)
	return nil
}

// lookSoon takes look, and gives up when ctx ends.
func (s *server) lookSoon(ctx context.Context) error {
	if err := ctxlock.Lock(ctx, &s.look); err != nil {
		return fmt.Errorf("the files of the tmux server of %s are looked at already: %w (%w)", s.rec.Owner, ErrBusy, err)
	}
	return nil
}
