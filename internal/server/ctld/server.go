package ctld

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/server/crowd"
)

// lateTime is longer than any act takes: one that has not ended by then never
// does, and what it holds is given to others.
const lateTime = 20 * time.Second

// Most connections that are served at once, and of one uid: nobody keeps others from revoking by
// taking all there are.
const (
	maxOpen = 1024
	perUID  = 32
	// maxProofs bounds how many are being proved, also of those whose connection has made room meanwhile.
	maxProofs = 2 * maxOpen
)

// Prover proves who is at the other end.
type Prover interface {
	Hold(conn *net.UnixConn) (*identity.Peer, error)
	Prove(ctx context.Context, peer *identity.Peer, door string, freezing bool) (identity.Identity, error)
}

// Listener is the door's socket.
type Listener interface {
	Accept() (*net.UnixConn, error)
	Close() error
}

// Server is the door. Its fields are set before Serve and not changed.
type Server struct {
	Gateway *gateway.Gateway
	Prover  Prover
	// Keys answers an sshd of the host that asks about a key: that is no request of a
	// person's. With a nil one there is no such act. Arrive gives whom a process is by the ticket that it brings.
	Keys   func(ctx context.Context, who identity.Identity, c Call) (any, error)
	Arrive func(ctx context.Context, who identity.Identity, c Call) (identity.Identity, error)
	// Acts makes the act of a call, or fails if there is none of that name.
	Acts func(who identity.Identity, c Call) (*gateway.Act, error)
	// Room is the descriptors that there are; nil for no more than are free.
	Room *crowd.Room
	// Complain reports what went wrong at the door.
	Complain func(what string)

	wg      sync.WaitGroup
	waiting crowd.Crowd[uint32]
	proofs  crowd.Proofs
	hanging atomic.Int32  // of those that have made room
	within  time.Duration // goesTime if it is 0; tests wait longer for what is sure to come
	away    passed.Away
	refused pace.Complaints
}

// Serve answers until ctx ends or l is closed.
func (s *Server) Serve(ctx context.Context, l Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			select { // out of descriptors or the like: it passes
			case <-time.After(200 * time.Millisecond):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		asking, end := context.WithCancelCause(ctx)
		done := make(chan struct{})
		c, err := s.admit(conn, end, done)
		if err != nil {
			end(err)
			s.away.Put(conn)
			continue
		}
		s.wg.Go(func() {
			defer close(done)
			defer end(nil)
			defer c.proved()
			defer c.Leave()
			late := time.AfterFunc(lateTime, func() {
				c.Leave()
				s.away.Put(conn)
				go passed.FreeUntil(done)
				s.Complain("ctl door: a request does not end; its connection was closed")
			})
			defer late.Stop()
			s.serve(asking, conn, c, late)
		})
	}
}

// caller is a connection with the places that it takes.
type caller struct {
	*crowd.Caller[uint32]
	proved func() // its proof is over
}

// errMadeRoom is why a request ended of which it was not known yet whose it is.
var errMadeRoom = errors.New("others have come, and it has proved nobody")

// admit counts a connection by the uid that made it. If it has to make room, end has its proof end, too; done is closed
// when it is over.
func (s *Server) admit(conn *net.UnixConn, end context.CancelCauseFunc, done <-chan struct{}) (*caller, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = cmp.Or(cerr, err); err != nil {
		return nil, err
	}
	return s.enter(conn, cred.Uid, end, done)
}

// enter is admit of a uid's.
func (s *Server) enter(conn *net.UnixConn, uid uint32, end context.CancelCauseFunc, done <-chan struct{}) (*caller, error) {
	as := crowd.Begins(uid)
	how := as
	if as == crowd.Unknown && s.waiting.Knows(uid) {
		how = crowd.Known
	}
	bounds, proofs := crowd.Bounds{Each: perUID, All: maxOpen}, maxProofs
	if as != crowd.Keeps && !s.Room.Spares() {
		bounds = crowd.Few(bounds)
		proofs = bounds.Loose
	}
	in, err := s.waiting.Enter(uid, "", bounds, as, func() {
		end(errMadeRoom)
		s.away.Put(conn)
		s.goes(done)
	})
	if err != nil {
		return nil, err
	}
	proved, ok := s.proofs.Begin(uid, "", proofs, how, lateTime)
	if !ok {
		in.Leave()
		return nil, errors.New("too many are being proved")
	}
	return &caller{in, proved}, nil
}

// goesTime is longer than one that makes room takes to be over.
const goesTime = 100 * time.Millisecond

// goes waits for one that has made room to be over, where descriptors are few: until then it has what it took, and many
// that come one behind the other would be refused for it. While one hangs no other is waited for, as all who come wait
// behind that.
func (s *Server) goes(done <-chan struct{}) {
	if s.Room.Spares() || s.hanging.Load() > 0 {
		return
	}
	select {
	case <-done:
	case <-time.After(cmp.Or(s.within, goesTime)):
		s.hanging.Add(1)
		s.wg.Go(func() {
			<-done // it is one of a few: see Proofs
			s.hanging.Add(-1)
		})
	}
}

// Wait waits until every answer was given.
func (s *Server) Wait() { s.wg.Wait() }

func (s *Server) serve(ctx context.Context, conn *net.UnixConn, c *caller, late *time.Timer) {
	defer s.away.Put(conn) // no request waits for what lies in it
	defer s.caught()
	_ = conn.SetDeadline(time.Now().Add(readTime))
	value, err := s.handle(ctx, conn, c, late)
	if errors.Is(err, errAnswered) {
		return
	}
	found()
	_ = answer(conn, value, err) // a client that has gone needs no answer
}

// found is where an answer is found out, and nothing of it is written.
func found() { failpoint.At("ctld-answer") }

// answer writes one answer.
func answer(conn net.Conn, value any, err error) error {
	answer := Answer{}
	if err == nil {
		answer.Value, err = json.Marshal(value)
	}
	if err != nil {
		answer = Answer{Error: err.Error(), Words: errors.As(err, new(Words))}
	}
	_ = conn.SetDeadline(time.Now().Add(readTime))
	return json.NewEncoder(conn).Encode(answer)
}

// Begun is a value of an act that is answered twice: it is the first answer, and Ends
// waits for the other one, until ctx ends: then nobody listens any more. What it waits
// for is bounded in number and in time by whoever made it.
type Begun interface {
	Ends(ctx context.Context) (any, error)
}

// follow gives the first answer, and waits for the other while the client is there.
func (s *Server) follow(ctx context.Context, conn *net.UnixConn, late *time.Timer, b Begun) (any, error) {
	if err := answer(conn, b, nil); err != nil {
		return b.Ends(expired(ctx))
	}
	late.Stop()
	_ = conn.SetDeadline(time.Time{})
	ctx, left := context.WithCancelCause(ctx)
	defer left(nil)
	go func() {
		defer s.caught()
		_, _ = io.Copy(io.Discard, io.LimitReader(passed.Reader(conn), maxCall)) // it has nothing more to say: this is its end
		left(errPeerGone)
	}()
	return b.Ends(ctx)
}

// expired is a context that has ended.
func expired(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errPeerGone)
	return ctx
}

// errUnknown is all that somebody hears who is nobody, if there is nothing to tell them.
var errUnknown = errors.New("muxward does not know who you are")

// errStarved is what they hear whom muxward may know, and could not look for.
var errStarved = errors.New("muxward has no descriptors left to find out who you are: try again in a moment")

// errPeerGone is why a call is not heard: whoever made the connection was
// proved, and not who has it after them.
var errPeerGone = errors.New("the process that connected has exited")

// caught keeps a fault in what serves one connection from ending anything but
// that. It is to be deferred.
func (s *Server) caught() {
	if r := recover(); r != nil {
		s.Complain(fmt.Sprintf("ctl door: a request was ended by a fault: %v\n%s", r, debug.Stack()))
	}
}

// refuse reports who is not let in: anybody of this host may cause that, as often as
// they like.
func (s *Server) refuse(what string) {
	if text, ok := s.refused.Admit(what); ok {
		s.Complain(text)
	}
}

// unknown refuses whoever is not known. conn is not nil if they are still asking: they would
// not hear the answer.
func (s *Server) unknown(conn *net.UnixConn, err error) error {
	s.refuse("ctl door: nobody was let in: " + err.Error())
	if conn != nil {
		_, _ = readCall(passed.Reader(conn))
	}
	if passed.Starved(err) {
		return errStarved
	}
	return errUnknown
}

// starvedTime is how long a request waits for descriptors, and starvedPause how long it does between two looks.
const (
	starvedTime  = time.Second
	starvedPause = 20 * time.Millisecond
)

// fed does what takes descriptors, and does it again for a while when there are none: others take theirs for a moment only.
func fed[T any](ctx context.Context, do func() (T, error)) (got T, err error) {
	for until := time.Now().Add(starvedTime); ; {
		if got, err = do(); !passed.Starved(err) || time.Now().After(until) {
			return got, err
		}
		select {
		case <-time.After(starvedPause):
		case <-ctx.Done():
			return got, err
		}
	}
}

// lockdown is the act that those may do as well of whom it cannot be told how they came in.
const lockdown = "lockdown"

// lockdownTime is how long a lockdown may take from here to its answer, whatever hangs: all that
// it waits for goes by the one end of that. People are told five seconds.
const lockdownTime = 4 * time.Second

func (s *Server) handle(ctx context.Context, conn *net.UnixConn, c *caller, late *time.Timer) (any, error) {
	failpoint.At("ctld-handle")
	began := time.Now()
	peer, err := fed(ctx, func() (*identity.Peer, error) { return s.Prover.Hold(conn) })
	if err != nil {
		return nil, s.unknown(conn, err)
	}
	defer peer.Close()
	fasted := time.Since(began)
	asking, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	go func() {
		defer s.caught()
		select {
		case <-peer.Gone():
			gone(peer.Cause())
			_ = conn.SetDeadline(time.Unix(1, 0)) // whoever holds it now is not heard
		case <-asking.Done():
		}
	}()
	ctx = asking
	call, err := readCall(passed.Reader(conn)) // before it is proved who asks: a lockdown waits less for that
	if err != nil {
		return nil, err
	}
	if call.Act == lockdown {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lockdownTime-fasted)
		defer cancel()
	}
	who, err := fed(ctx, func() (identity.Identity, error) {
		return s.Prover.Prove(ctx, peer, "ctl", call.Act == lockdown)
	})
	if err != nil {
		return nil, s.unknown(nil, err)
	}
	if !peer.Alive() {
		return nil, errPeerGone
	}
	if call.Act == "keys" && s.Keys != nil {
		value, err := s.Keys(ctx, who, call)
		if err == nil {
			c.Stand(crowd.Known) // it was an sshd's: others of its uid will be
		}
		return value, err
	}
	if call.Ticket != "" && s.Arrive != nil {
		if who, err = s.Arrive(ctx, who, call); err != nil {
			return nil, err
		}
	}
	if call.Act == lockdown {
		who = who.Freezing()
	}
	c.proved()
	if who.IsNobody() {
		why := cmp.Or(who.Why(), errUnknown)
		s.refuse(fmt.Sprintf("ctl door: process %d of %s was not let in: %v", who.PID(), who.Account(), why))
		return nil, why
	}
	c.Stand(crowd.Here) // what they want is done, whoever else comes
	act, err := s.Acts(who, call)
	if err != nil {
		return nil, err
	}
	for range mostTries {
		value, err := s.once(ctx, conn, late, gateway.Request{Identity: who, Act: act})
		if !errors.Is(err, errKept) {
			return value, err
		}
	}
	return nil, errKept
}

// once has an act done, or asked once more of which nothing was written.
func (s *Server) once(ctx context.Context, conn *net.UnixConn, late *time.Timer, req gateway.Request) (any, error) {
	r, err := s.Gateway.Handle(ctx, req)
	if r.Release != nil {
		defer r.Release()
	}
	if b, ok := r.Value.(Begun); ok && err == nil {
		return s.follow(ctx, conn, late, b)
	}
	if err != nil || r.Gate == nil {
		return r.Value, err
	}
	found()
	return nil, tell(ctx, conn, r)
}
