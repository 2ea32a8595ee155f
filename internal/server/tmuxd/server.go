package tmuxd

import (
	"cmp"
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
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/server/crowd"
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

// perClient is how many descriptors a client takes while it comes in, beside its connection: its streams, its
// process, and what is read of that.
const perClient = 6

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
	// Room is the descriptors that there are; nil for no more than are free.
	Room *crowd.Room
	// Complain reports what went wrong at the door, already bounded in rate.
	Complain func(what string)

	mu             sync.Mutex
	last           map[uint32]string // who a uid was proved to be last: a guess, see lookAhead
	newcomers, all crowd.Crowd[uint32]
	lent           crowd.Crowd[string] // of all, those who are lent an account, by person
	proofs         crowd.Proofs        // that are under way
	holdings       holdings
	left           left
	aways          aways
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
		s.awaitAway(ctx, l.Path())
		nc, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case passed.Starved(err): // those who are here stay, new ones wait
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

// admit takes a connection in, if there is room.
func (s *Server) admit(ctx context.Context, nc *net.UnixConn, at place) {
	uid, err := peerUID(nc)
	if err != nil {
		s.put(at.path, nc)
		return
	}
	taken := func() {}
	if crowd.Begins(uid) != crowd.Keeps {
		var ok bool
		if taken, ok = s.Room.Take(perClient); !ok {
			s.put(at.path, nc)
			return
		}
	}
	ctx, v, err := s.enter(ctx, nc, uid, at)
	if err != nil {
		taken()
		s.complain(err.Error())
		return
	}
	v.taken = taken
	s.wg.Go(func() {
		defer taken()
		defer v.here.give()
		defer v.fresh.give()
		s.guarded(ctx, v)
	})
}

// guarded serves one client so that what goes wrong with it ends nothing but
// its own connection. One that does not come to its end when its client has
// gone, or to its beginning, is left behind: it takes nobody's place.
func (s *Server) guarded(ctx context.Context, v *visit) {
	done := make(chan struct{})
	var once sync.Once
	defer s.left.back(v)
	late := func(what string) {
		once.Do(func() {
			s.left.behind(v, done)
			v.leave(errFault)
			s.Complain(fmt.Sprintf("tmux door: the connection of a client of uid %d %s; it is left behind", v.uid, what))
		})
	}
	beginning := time.AfterFunc(lateTime, func() { late("does not begin") })
	v.ends = func() { beginning = time.AfterFunc(lateTime, func() { late("does not end") }) }
	unwatched := context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(lateTime):
			late("does not end")
		}
	})
	defer v.gone(nil)
	defer unwatched() // there is nothing left to wait for
	defer close(done)
	defer func() { beginning.Stop() }()
	defer v.nc.Close()
	defer func() {
		if r := recover(); r != nil {
			s.Complain(fmt.Sprintf("tmux door: a client's connection was ended by a fault: %v\n%s", r, stack()))
		}
	}()
	failpoint.At("tmuxd-admitted")
	s.serve(ctx, v, func(who identity.Identity) error {
		beginning.Stop()
		v.fresh.give()
		v.taken()
		return s.place(who, v)
	})
}

// lookAhead asks for the state of the server that the client will most likely
// ask about. Whose that is, is a guess: the answer is used only for the person
// that is proved. No server is asked anything on account of a uid that was nobody the last time, or is
// new: it would have work, and those who come next would wait, by whoever may connect.
func (s *Server) lookAhead(uid uint32, at place) (found func(context.Context) gateway.Ahead) {
	defer func() {
		if r := recover(); r != nil {
			s.Complain(fmt.Sprintf("tmux door: looking ahead was ended by a fault: %v\n%s", r, stack()))
			found = func(context.Context) gateway.Ahead { return gateway.Ahead{} }
		}
	}()
	failpoint.At("tmuxd-ahead")
	s.mu.Lock()
	person := s.last[uid]
	s.mu.Unlock()
	if person == "" {
		return func(context.Context) gateway.Ahead { return gateway.Ahead{} }
	}
	return s.Gateway.LookAhead(cmp.Or(at.owner, person))
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

// forget has a uid be one of which nothing is known.
func (s *Server) forget(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, uid)
}

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

// errSpared is why a client is turned away while there still are descriptors.
var errSpared = errors.New("the last ones are for muxward's own commands")

// Spared tells, once in such a time, that there are no descriptors to spare.
func (s *Server) Spared() { s.starve(errSpared) }

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
