package tmuxd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
)

// Limits before anything is known of a peer but its uid.
const (
	perUID = 64
	total  = 2048
	// And of all its clients, attached ones included: each takes a handful of
	// descriptors.
	perUIDAll = 512
	totalAll  = 4096
)

// lateTime is longer than a client may take to introduce itself, and than
// anything takes to end that runs for a client that has gone.
const lateTime = 20 * time.Second

// againTime is how long nobody is let in when there were no descriptors, and
// calmTime how long there must have been some for that to be over.
const (
	againTime = 200 * time.Millisecond
	calmTime  = 10 * time.Second
)

// Prover proves who is at the other end.
type Prover interface {
	FromPeer(ctx context.Context, conn *net.UnixConn, door string) (identity.Identity, *identity.Peer, error)
}

// Listener is a door's socket.
type Listener interface {
	Accept() (*net.UnixConn, error)
	Close() error
	// Path is where clients find it.
	Path() string
}

// place is where a client came in.
type place struct {
	owner string // of the server whose panes use the door, if it is such a one
	path  string
}

// Server is the tmux door. Its fields are set before Serve and not changed.
type Server struct {
	Gateway *gateway.Gateway
	Prover  Prover
	// Home gives the home directory of a person's account, "" if they have none here.
	Home func(person string) string
	// Complain reports what went wrong at the door, already bounded in rate.
	Complain func(what string)

	mu             sync.Mutex
	last           map[uint32]string // who a uid was proved to be last: a guess, see lookAhead
	newcomers, all crowd[uint32]
	lent           crowd[string] // of all, those who are lent an account, by person
	holdings       holdings
	wg             sync.WaitGroup
	refused        pace.Complaints
	starved        spell
}

// Serve accepts clients until ctx ends or l is closed. here is the owner of
// the server whose panes use this door, "" for the door of an account.
func (s *Server) Serve(ctx context.Context, l Listener, here string) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case starves(err): // those who are here stay, new ones wait
			s.starve(err)
			select {
			case <-time.After(againTime):
			case <-ctx.Done():
			}
			continue
		default:
			return fmt.Errorf("accept at the tmux door: %w", err)
		}
		s.admit(ctx, nc, place{here, l.Path()})
	}
}

// Wait waits until all clients have gone.
func (s *Server) Wait() { s.wg.Wait() }

// admit counts a connection by its uid before anything is read from it.
func (s *Server) admit(ctx context.Context, nc *net.UnixConn, at place) {
	uid, err := peerUID(nc)
	if err != nil {
		_ = nc.Close()
		return
	}
	introduced, ok := s.newcomers.enter(uid, crowded)
	if !ok {
		_ = nc.Close()
		s.complain(fmt.Sprintf("tmux door: uid %d has %d connections under way, one more was refused", uid, perUID))
		return
	}
	leave, ok := s.all.enter(uid, overcrowded)
	if !ok {
		introduced()
		_ = nc.Close()
		s.complain(fmt.Sprintf("tmux door: uid %d has %d clients here, one more was refused", uid, perUIDAll))
		return
	}
	s.wg.Go(func() {
		stay := &stay{leave: leave}
		defer stay.give()
		defer introduced()
		s.guarded(ctx, nc, uid, at, introduced, stay)
	})
}

// crowd counts connections by whose they are.
type crowd[K comparable] struct {
	by   map[K]int
	mu   sync.Mutex
	open int
}

// enter counts one more unless there are too many; leave may be called more
// than once.
func (c *crowd[K]) enter(of K, tooMany func(of, open int) bool) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tooMany(c.by[of], c.open) {
		return nil, false
	}
	if c.by == nil {
		c.by = map[K]int{}
	}
	c.by[of]++
	c.open++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.open--
		if c.by[of]--; c.by[of] == 0 {
			delete(c.by, of)
		}
	}), true
}

// stay is the place that a connection takes.
type stay struct {
	mu    sync.Mutex
	leave func()
	given bool
}

// change gives the place back for another.
func (t *stay) change(leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given {
		leave()
		return
	}
	t.leave()
	t.leave = leave
}

// give gives it back for good.
func (t *stay) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = true
	t.leave()
}

// guarded serves one client so that what goes wrong with it ends nothing but
// its own connection. One that does not come to its end when its client has
// gone, or to its beginning, is left behind: it takes nobody's place.
func (s *Server) guarded(ctx context.Context, nc *net.UnixConn, uid uint32, at place, introduced func(), stay *stay) {
	ctx, gone := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var once sync.Once
	late := func(what string) {
		once.Do(func() {
			gone(errFault)
			_ = nc.Close()
			introduced()
			stay.give()
			s.Complain(fmt.Sprintf("tmux door: the connection of a client of uid %d %s; it is left behind", uid, what))
		})
	}
	beginning := time.AfterFunc(lateTime, func() { late("does not begin") })
	context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(lateTime):
			late("does not end")
		}
	})
	defer gone(nil)
	defer close(done)
	defer beginning.Stop()
	defer nc.Close()
	defer func() {
		if r := recover(); r != nil {
			s.Complain(fmt.Sprintf("tmux door: a client's connection was ended by a fault: %v\n%s", r, stack()))
		}
	}()
	failpoint.At("tmuxd-admitted")
	s.serve(ctx, gone, nc, uid, at, func(who identity.Identity) error {
		beginning.Stop()
		introduced()
		return s.place(who, stay)
	})
}

// lookAhead fetches the state of the server that the client will most likely
// ask about. Whose that is, is a guess: the answer is used only for the person
// that is proved.
func (s *Server) lookAhead(ctx context.Context, uid uint32, at place) (a gateway.Ahead) {
	defer func() {
		if r := recover(); r != nil {
			s.Complain(fmt.Sprintf("tmux door: looking ahead was ended by a fault: %v\n%s", r, stack()))
			a = gateway.Ahead{}
		}
	}()
	failpoint.At("tmuxd-ahead")
	owner := at.owner
	if owner == "" {
		s.mu.Lock()
		owner = s.last[uid]
		s.mu.Unlock()
	}
	return s.Gateway.LookAhead(ctx, owner)
}

// maxGuesses bounds how many uids are remembered.
const maxGuesses = 4096

func (s *Server) remember(uid uint32, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || len(s.last) > maxGuesses {
		s.last = map[uint32]string{}
	}
	s.last[uid] = person
}

// overcrowded is the bound of all clients, of a uid or of a person who is lent one.
func overcrowded(ofUID, open int) bool { return ofUID >= perUIDAll || open >= totalAll }

func peerUID(nc *net.UnixConn) (uint32, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil {
		return 0, cerr
	}
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}

func (s *Server) complain(what string) {
	if text, ok := s.refused.Admit(what); ok {
		s.Complain(text)
	}
}

// starves reports whether an error says that there are no descriptors.
func starves(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS)
}

func (s *Server) starve(err error) {
	if s.starved.begins(time.Now()) {
		s.Complain("tmux door: out of descriptors, new clients are refused or have to wait: " + err.Error())
	}
}

// spell is a time in which something goes wrong again and again, which is told
// once, however many doors notice it.
type spell struct {
	mu   sync.Mutex
	last time.Time
}

// begins notes that it goes wrong now, and reports whether a spell begins.
func (s *spell) begins(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := now.Sub(s.last) > calmTime
	s.last = now
	return first
}
