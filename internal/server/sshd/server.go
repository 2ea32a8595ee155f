package sshd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/server/crowd"
)

// errSpared is why somebody is turned away, or reaches for nothing more, while there still are descriptors.
var errSpared = errors.New("the last descriptors are for muxward's own commands")

// Limits of connections that have proved nobody.
const (
	perSource = 32
	atOnce    = 256
	// graceTime is how long a connection has to prove somebody, and graceBytes how
	// much it may say until then.
	graceTime  = 30 * time.Second
	graceBytes = 64 << 10
	maxTries   = 6
	// codeTime is how long somebody has for a password, or for their second factor,
	// and maxAsked on how many connections one person is asked for it at once, of which
	// maxAskedFrom come from one address.
	codeTime     = 2 * time.Minute
	maxAsked     = 8
	maxAskedFrom = 4
)

// And of those that have.
const (
	perPerson   = 32
	connections = 4096
	maxChannels = 10
	// maxSessions is how many one person has on all of their connections: each
	// holds what was sent and not read.
	maxSessions = 40
	// maxControl is how many of those are in control mode: a line may be long, and so
	// may what a command prints.
	maxControl = 8
	// maxPrinted bounds what one command of theirs may print: it is held some times over
	// while they do not read.
	maxPrinted = 4 << 20
	// maxRefused is how many channels and requests are refused before the
	// connection is.
	maxRefused = 200
	// emptyTime is how long a connection stays that has no session.
	emptyTime = time.Hour
	// stallTime is how long a write may wait for the other end's network.
	stallTime = 15 * time.Minute
	// lingerTime is how long the last words may take.
	lingerTime = 5 * time.Second
	// closeTime is how long a client may take to close a channel that is closed
	// here. Until then it may send, and what it sends is held.
	closeTime = 10 * time.Second
	// askTime is how often a client is asked whether it is there, and answerTime how
	// long it may take to say so: it may have been stopped for a while.
	askTime    = 30 * time.Second
	answerTime = 5 * time.Minute
	// accountTime is how long accounts may be looked up by which people have come. Of one that
	// is not found in that time nobody knows whose it is, so that it is nobody's.
	accountTime = 5 * time.Second
	// pauseTime is how long nobody is let in when there were no descriptors.
	pauseTime = 200 * time.Millisecond
)

// times are those waits that are long.
type times struct{ close, ask, answer, look time.Duration }

func (s *Server) times() times {
	t := times{}
	if s.patience != nil {
		t = *s.patience
	}
	return times{close: cmp.Or(t.close, closeTime), ask: cmp.Or(t.ask, askTime), answer: cmp.Or(t.answer, answerTime),
		look: cmp.Or(t.look, accountTime)}
}

// Door is the door's name in identities and the log.
const Door = "ssh"

// Server is the SSH door. Its fields are set before Serve and not changed.
type Server struct {
	Gateway *gateway.Gateway
	Prover  identity.SSHProver
	Key     *HostKey
	// Home gives the directory in which a person's own commands run.
	Home func(person string) string
	// Join makes the act of somebody who comes with the code of an invite. Its value
	// is a [Joined].
	Join func(who identity.Identity, code string) (*gateway.Act, error)
	// Reaching reaches for people besides tmux; the zero value reaches nothing.
	Reaching Reaching
	// Idle is how long somebody may be on a terminal and type nothing; 0 is without end.
	Idle time.Duration
	// Room is the descriptors that there are; nil for no more than are free.
	Room *crowd.Room
	// Complain reports what went wrong at the door.
	Complain func(what string)
	// Grace is how long a connection has to prove somebody; 0 is 30 seconds.
	Grace time.Duration

	// patience, if tests set it, is for what takes long otherwise.
	patience *times

	mu       sync.Mutex
	conns    map[*conn]bool
	people   map[string]int // connections
	sessions map[string]int
	control  map[string]int        // of them, those in control mode
	reached  map[string]int        // what is reached besides tmux
	asked    map[string]*newcomers // on which a person is asked for a second factor
	fresh    newcomers
	pen      penalties
	guesses  penalties // of passwords alone, and for those who are known, too
	pace     pace.Pace
	comes    pace.Pace // of records of who comes to a person's listeners
	turns    pace.Pace // at what is reached besides tmux
	spare    pace.Pace // of failing behind a proved key, which costs an address nothing
	out      refusals
	starving time.Time // when that was told
	unasked  time.Time // when it was told that nobody can be asked about passwords
	unlogged time.Time // likewise
	wg       sync.WaitGroup
	left     atomic.Bool // see Leave
}

// Listen opens a TCP address for [Server.Serve].
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // what confines processes knows nothing of it
	lc.KeepAliveConfig = keepAlive()
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open the ssh door: %w", err)
	}
	return l, nil
}

// Passed takes a listening TCP socket that somebody else has opened, for [Server.Serve]. The
// file is the caller's.
func Passed(f *os.File) (net.Listener, error) {
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("open the ssh door at a socket that was passed: %w", err)
	}
	t, is := l.(*net.TCPListener)
	if !is {
		return nil, errors.Join(errors.New("open the ssh door: what was passed is no TCP socket"), l.Close())
	}
	return alive{t}, nil
}

// alive is a listener whose connections are asked whether they are there, as those of [Listen].
type alive struct{ *net.TCPListener }

// Accept takes the next connection.
func (l alive) Accept() (net.Conn, error) {
	nc, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	_ = nc.SetKeepAliveConfig(keepAlive()) // it may have ended already, which reading tells
	return nc, nil
}

func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}
}

// Serve accepts connections until ctx ends or one of the listeners, which it closes, fails.
func (s *Server) Serve(ctx context.Context, ls ...net.Listener) error {
	people, end := context.WithCancelCause(context.WithoutCancel(ctx))
	closeAll := func() {
		for _, l := range ls {
			_ = l.Close()
		}
	}
	stop := context.AfterFunc(ctx, func() {
		closeAll()
		end(errEnding)
	})
	defer stop()
	defer end(errEnding)
	s.wg.Go(func() { s.out.write(people, s.record) })
	ended := make(chan error, len(ls))
	for _, l := range ls {
		go func() { ended <- s.accept(ctx, people, l) }()
	}
	var first error
	for range ls {
		if err := <-ended; err != nil && first == nil {
			first = err
		}
		closeAll() // one that ends ends all
	}
	return first
}

// Leave takes nobody any more: it closes the listeners of Serve, which goes on until its
// context ends, for who is here. Who comes to a socket that somebody else holds, too, waits there
// for the next one to serve it.
func (s *Server) Leave(ls ...net.Listener) {
	s.left.Store(true)
	for _, l := range ls {
		_ = l.Close()
	}
}

// accept accepts connections of one listener.
func (s *Server) accept(ctx, people context.Context, l net.Listener) error {
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			if s.left.Load() {
				<-ctx.Done() // who is here stays until then
			}
			return nil
		case passed.Starved(err):
			s.starve(err)
			select {
			case <-time.After(pauseTime):
			case <-ctx.Done():
			}
			continue
		case errors.Is(err, unix.ECONNABORTED):
			continue
		default:
			return fmt.Errorf("accept at the ssh door: %w", err)
		}
		s.admit(people, nc)
	}
}

// errEnding is what people hear who are here then.
var errEnding = errors.New("muxward is ending; come again when it has started anew")

// Wait waits until everybody has gone.
func (s *Server) Wait() { s.wg.Wait() }

func (s *Server) starve(err error) {
	s.seldom(&s.starving, "ssh door: out of descriptors, new connections have to wait: "+err.Error())
}

// seldom complains of what may happen at any rate, once a minute.
func (s *Server) seldom(last *time.Time, what string) {
	s.mu.Lock()
	first := time.Since(*last) > time.Minute
	if first {
		*last = time.Now()
	}
	s.mu.Unlock()
	if first {
		s.Complain(what)
	}
}

// admit counts a connection by its source before anything is read from it. It does
// not wait, for anything: others come behind it.
func (s *Server) admit(ctx context.Context, nc net.Conn) {
	from := sourceOf(nc.RemoteAddr(), nc.LocalAddr())
	turnAway := func(why string) {
		_ = nc.Close()
		s.refuse(access.Event{From: nc.RemoteAddr().String(), Reason: why})
	}
	if !s.Room.Spares() {
		turnAway(errSpared.Error())
		return
	}
	if s.pen.waits(from, time.Now()) {
		turnAway("the address has failed too often and has to wait")
		return
	}
	known := s.known(from, time.Now())
	s.mu.Lock()
	tooMany := full(len(s.conns), known, from.near.uid)
	if s.conns == nil {
		s.conns, s.people, s.sessions = map[*conn]bool{}, map[string]int{}, map[string]int{}
		s.control, s.asked, s.reached = map[string]int{}, map[string]*newcomers{}, map[string]int{}
	}
	s.mu.Unlock()
	if tooMany {
		turnAway("there are too many connections")
		return
	}
	c := newConn(s, nc)
	c.from = from
	c.known = sync.OnceFunc(s.fresh.enter(from, known, perSource, atOnce, func() { c.end(errMadeRoom) }))
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	s.wg.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		}()
		defer c.known()
		defer c.nc.Close()
		defer s.caught("a connection", func(error) {})
		c.serve(ctx)
	})
}

// known reports whether people have come from a source, or it is root's of this host.
func (s *Server) known(from source, now time.Time) bool {
	return from.near.uid == 0 || s.pen.knows(from, now)
}

// full reports whether there is no room for one more connection. From where people have come there is as much
// again, and for root of this host beside all of those: those who have proved nobody may be slow to end. Root's have
// a bound, too: what root runs may pass on to us whatever comes.
func full(there int, known bool, uid int64) bool {
	switch {
	case uid == 0:
		return there >= 3*connections
	case known:
		return there >= 2*connections
	}
	return there >= connections
}

// errMadeRoom is why a connection ended that had proved nobody.
var errMadeRoom = errors.New("others have come, and it has proved nobody")

// askedOf are the connections on which a person is asked for a second factor.
func (s *Server) askedOf(person string) *newcomers {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked[person] == nil {
		s.asked[person] = &newcomers{} // of people with a second factor: there are not many
	}
	return s.asked[person]
}

// enter counts one more of a person's, if that is not too many.
func (s *Server) enter(count map[string]int, person string, limit int) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if crowded(count[person], limit) {
		return nil, false
	}
	count[person]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if count[person]--; count[person] == 0 {
			delete(count, person)
		}
	}, true
}

// Reconsider looks at every proof again, as when keys were taken away or time has
// passed in which nobody looked. When it returns, what rested on a proof that does not hold any more has ended; the
// errors say what could not be ended in time.
func (s *Server) Reconsider(ctx context.Context) (unconfirmed []error) {
	s.mu.Lock()
	var all []*conn
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	ended := s.endThose(ctx, all)
	for _, c := range ended {
		select {
		case <-c.done:
		case <-ctx.Done():
			if c.over() { // in the last moment
				continue
			}
			unconfirmed = append(unconfirmed, fmt.Errorf("the connection of %s does not end: %w", c.nc.RemoteAddr(), ctx.Err()))
		}
	}
	return unconfirmed
}

// endThose has those connections end whose proof does not stand any more. What waits for nobody is
// looked at first, of all: keys, and not accounts. The time for
// these is one for all: where looking one up takes longer, those whose turn does not come end
// as well, as nobody knows whether their account is there.
func (s *Server) endThose(ctx context.Context, all []*conn) (ended []*conn) {
	ctx, cancel := context.WithTimeout(ctx, s.times().look)
	defer cancel()
	atOnce := func(_ context.Context, p *identity.SSHProof) (*identity.SSHProof, error) { return s.Prover.AtOnce(p) }
	end := func(those []*conn, look func(context.Context, *identity.SSHProof) (*identity.SSHProof, error)) (stay []*conn) {
		for _, c := range those {
			proof := c.proof.Load()
			if proof == nil {
				continue
			}
			now, err := look(ctx, proof)
			if !stands(err) {
				c.end(fmt.Errorf("what you came in with is not taken any more: %w", err))
				ended = append(ended, c)
				continue
			}
			if now != nil {
				c.take(now)
			}
			if proof.RestsOnAccount() {
				stay = append(stay, c)
			}
		}
		return stay
	}
	end(end(all, atOnce), s.Prover.Look())
	return ended
}

// over reports whether a connection has ended.
func (c *conn) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// caught keeps a fault in what serves one connection from ending anything else. It
// is to be deferred.
func (s *Server) caught(what string, end func(error)) {
	if r := recover(); r != nil {
		s.faulted(what, r, end)
	}
}

func (s *Server) faulted(what string, fault any, end func(error)) {
	s.Complain(fmt.Sprintf("ssh door: %s was ended by a fault: %v\n%s", what, fault, debug.Stack()))
	end(errors.New("a fault of muxward ended this; it was written to the log"))
}

// config is what a connection is negotiated with: what the library holds for
// sound, with the hybrid key exchange first, and without what people leave out
// today.
func (s *Server) config() *ssh.ServerConfig {
	c := &ssh.ServerConfig{MaxAuthTries: maxTries, ServerVersion: "SSH-2.0-muxward"}
	c.KeyExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519}
	c.Ciphers = []string{ssh.CipherChaCha20Poly1305, ssh.CipherAES128GCM, ssh.CipherAES256GCM,
		ssh.CipherAES128CTR, ssh.CipherAES256CTR} // for paramiko, which has no others
	c.MACs = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM} // for the last two
	c.PublicKeyAuthAlgorithms = identity.SSHSignatures()
	return c
}
