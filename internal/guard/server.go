package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Server is one life of one guarded tmux server.
type Server struct {
	g      *Guard
	kept   keep.Held
	inner  *Door
	first  Client
	how    chan string // told once how it has ended
	ending string      // the same, of hear alone

	begun    chan struct{} // closed when the first client has connected
	met      chan struct{} // closed when facts are known, or with ready
	meeting  sync.Once     // of met
	ready    chan struct{} // closed when the configuration is read, or readyErr is set
	readyErr error
	readyAt  time.Time     // when that was; with mu held
	done     chan struct{} // closed when it has ended, after cause
	cause    error
	once     sync.Once // of finish

	mu      sync.Mutex
	version tmux.Version
	framing wire.Framing
	started int64 // what tmux says of its start; 0 before it was asked
	hold    hold
	ctl     *control.Client
	model   *control.Model // of ctl
	ctlLock chan struct{}  // holds one token: who opens the control client
	seen    watched
	hooks   knownHooks // of the inspection alone
	traps   knownHooks // as well
	known   atomic.Pointer[tmux.Snapshot]
	knownAt time.Time // when known was asked for
	backlog backlog
	halting halting
	uids    uids
}

// ErrLetGo is the cause of servers that go on while muxward stops.
var ErrLetGo = errors.New("muxward has let go of the tmux server, which goes on")

func newServer(g *Guard, kept keep.Held) *Server {
	return &Server{g: g, kept: kept, halting: halting{is: keep.Halted{Stopped: kept.Stopped}, frozen: kept.Frozen}, started: kept.Said.Started, how: make(chan string, 1),
		begun: make(chan struct{}), met: make(chan struct{}), ready: make(chan struct{}), done: make(chan struct{}), ctlLock: make(chan struct{}, 1),
		hold: hold{idle: make(chan struct{}, 1)}}
}

// Owner is the person whose server it is.
func (s *Server) Owner() string { return s.kept.Owner }

// Account is the one that the server runs as.
func (s *Server) Account() identity.Account { return s.kept.Account }

// Isolated reports whether its panes run as another account, as those who have started it
// say.
func (s *Server) Isolated() bool { return s.kept.Isolated }

// PAM names the service by which its panes have PAM sessions, "" if they have none.
func (s *Server) PAM() string { return s.kept.PAM }

// UID is the uid the server runs as.
func (s *Server) UID() uint32 { return s.kept.Account.UID }

// PID is the server's process id.
func (s *Server) PID() int { return s.kept.PID }

// Life names this life of the server, as snapshots of it do.
func (s *Server) Life() tmux.Incarnation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tmux.Incarnation{PID: s.kept.PID, StartTime: s.started, Mark: s.kept.Mark}
}

// Incarnation is Life as text.
func (s *Server) Incarnation() string { return s.Life().String() }

// Version is what tmux says of itself; the zero Version before that is known.
func (s *Server) Version() tmux.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// InnerDoor is the door that TMUX names inside the server's panes. Whoever
// connects there claims no more than at any other door.
func (s *Server) InnerDoor() *Door { return s.inner }

// Done is closed when the server has ended, or muxward lets go of it.
func (s *Server) Done() <-chan struct{} { return s.done }

// Cause says why the server ended; nil before Done.
func (s *Server) Cause() error {
	select {
	case <-s.done:
		return s.cause
	default:
		return nil
	}
}

func (s *Server) wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.readyErr
	case <-s.done:
		return s.cause
	case <-ctx.Done():
		return fmt.Errorf("the tmux server of %s is still reading its configuration, or is stopped: %w", s.kept.Owner, ctx.Err())
	}
}

// Ready waits until the server has read its configuration and said who it is.
// Whoever has it started waits for it, as tmux's first client does.
func (s *Server) Ready(ctx context.Context) error { return s.wait(ctx) }

// acquainted waits until the server has said who it is. It may still be reading
// its configuration: as with tmux, nobody but the first client waits for that,
// as the configuration itself may be what asks.
func (s *Server) acquainted(ctx context.Context) error {
	select {
	case <-s.met:
	case <-s.done:
		return s.cause
	case <-ctx.Done():
		return fmt.Errorf("the tmux server of %s does not say who it is: %w", s.kept.Owner, ctx.Err())
	}
	select {
	case <-s.ready:
		return s.readyErr
	default:
		return nil
	}
}

// Dial connects to the server, as its own account, to ask it for nothing. It makes sure that the
// server we started is what listens, and waits 5 s at most.
func (s *Server) Dial(ctx context.Context) (*net.UnixConn, error) {
	conn, _, err := s.reach(ctx)
	return conn, err
}

func (s *Server) reach(ctx context.Context) (*net.UnixConn, *dialed, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	select {
	case <-s.begun: // tmux reads its configuration for the first client, which is ours
	case <-s.done:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("connect to the tmux server of %s: it does not begin: %w", s.kept.Owner, ctx.Err())
	}
	if err := s.Cause(); err != nil {
		return nil, nil, fmt.Errorf("connect to the tmux server of %s: %w", s.kept.Owner, err)
	}
	return s.dial(ctx)
}

// connectTime is how long a connection to a server may take whatever its
// context says: a stopped server has a full backlog for as long as it likes.
// People hear within five seconds that it does not answer.
const connectTime = 4 * time.Second

// dial connects, and tries it again while the server takes no connection.
func (s *Server) dial(ctx context.Context) (*net.UnixConn, *dialed, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for {
		d := s.backlog.begin()
		f, err := s.g.hands.Connect(ctx, s.kept.ID)
		if err == nil {
			s.backlog.connected(d)
			conn, err := connOf(f)
			return conn, d, err
		}
		s.backlog.failed(d)
		if errors.Is(err, keep.ErrEnded) {
			retry.Stop() // that is told in a moment
		} else if !errors.Is(err, keep.ErrBusy) {
			return nil, nil, err
		}
		select {
		case <-retry.C:
		case <-s.done:
			return nil, nil, fmt.Errorf("%w: %w", s.cause, keep.ErrNobody)
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// connOf makes a connection of its descriptor.
func connOf(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// Connect is Dial for tmux's client protocol. State our process id in the
// Hello's PID, so that the watch knows the client for ours.
func (s *Server) Connect(ctx context.Context) (*wire.Conn, error) { return s.ConnectFor(ctx, "") }

// ConnectFor is Connect for one command of somebody's: see gateway.Owing.
func (s *Server) ConnectFor(ctx context.Context, person string) (*wire.Conn, error) {
	conn, d, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	d.of = person
	s.mu.Lock()
	defer s.mu.Unlock()
	c := wire.NewClient(conn, s.framing)
	s.backlog.asks(d)
	c.Heard(func() { s.backlog.answered(d) })
	c.Over(func() { s.came(d) }, func() { s.backlog.closed(d) })
	return c, nil
}

// open makes the server known, opens its inner door, and asks it who it is.
func (s *Server) open(ctx context.Context) error {
	s.g.mu.Lock()
	if s.g.closed {
		s.g.mu.Unlock()
		return errors.New("muxward is stopping")
	}
	s.g.byID[s.kept.ID] = s // before its inner door: events come from there on
	s.g.mu.Unlock()
	d, err := s.g.openDoor(ctx, keep.Place{Server: s.kept.ID})
	if err != nil {
		return err
	}
	s.inner = d
	s.g.mu.Lock()
	if s.g.closed { // the next muxward adopts it
		s.g.mu.Unlock()
		return errors.New("muxward is stopping")
	}
	s.g.byOwner[s.kept.Owner] = s
	s.g.mu.Unlock()
	s.g.wg.Go(s.supervise)
	if s.g.opt.OnServer != nil {
		s.g.opt.OnServer(s)
	}
	s.g.wg.Go(s.introduce)
	return nil
}

// oneShot runs commands as a client of their own and gives what they print.
func (s *Server) oneShot(ctx context.Context, argv ...string) ([]byte, error) {
	c, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return ask(ctx, c, argv)
}

// maxAnswer bounds what a server may print to us.
const maxAnswer = 4 << 20

// errTooLong is the error of a command that prints more than that.
var errTooLong = fmt.Errorf("the server prints more than %d bytes", maxAnswer)

// limited is a buffer with an end.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxAnswer {
		return 0, errTooLong
	}
	return l.Buffer.Write(p)
}

// errRefused is the error of a command that tmux has answered with no.
var errRefused = errors.New("tmux refuses")

func ask(ctx context.Context, c *wire.Conn, argv []string) ([]byte, error) {
	return askIn(ctx, c, "/", argv)
}

func askIn(ctx context.Context, c *wire.Conn, dir string, argv []string) ([]byte, error) {
	var out, errs limited
	exit, err := c.Run(ctx, &wire.Hello{Flags: wire.FlagUTF8, PID: int32(os.Getpid()), Cwd: dir, Argv: argv}, wire.StdFiles(nil, &out, &errs))
	if err != nil {
		return nil, fmt.Errorf("tmux %s: %w", argv[0], err)
	}
	if exit.Code != 0 {
		return nil, fmt.Errorf("tmux %s: %w: %.200q", argv[0], errRefused, strings.TrimSpace(errs.String()+exit.Message))
	}
	return out.Bytes(), nil
}

// introduce makes the server's first client, for which tmux reads its
// configuration, and learns who the server is.
func (s *Server) introduce() {
	err := s.learn(s.g.ctx)
	if err == nil {
		s.mu.Lock()
		s.readyAt = time.Now()
		s.mu.Unlock()
		close(s.ready)
		s.meeting.Do(func() { close(s.met) })
		s.g.tell(access.EventServer, s, fmt.Sprintf("tmux server of %s is ready: tmux %s, process %d, uid %d", s.kept.Owner, s.Version(), s.kept.PID, s.kept.Account.UID))
		return
	}
	select {
	case <-s.done:
	default:
		if s.g.ctx.Err() == nil {
			s.g.tell(access.EventAlarm, s, fmt.Sprintf("tmux server of %s is not used: %v", s.kept.Owner, err))
		}
	}
	s.readyErr = err
	close(s.ready)
	s.meeting.Do(func() { close(s.met) })
}

func (s *Server) learn(ctx context.Context) error {
	// The order of the connections counts: tmux reads its configuration for
	// the client that is first in its list.
	first, err := s.dialFirst(ctx)
	if err != nil {
		return err
	}
	close(s.begun)
	release, err := s.Hold() // however long the configuration takes
	if err != nil {
		return errors.Join(err, first.Close())
	}
	defer release()
	read := make(chan error, 1)
	s.g.wg.Go(func() { read <- s.meet(ctx, first, s.first.Dir) })
	err = s.meetAhead(ctx, read)
	s.hold.mu.Lock()
	defer s.hold.mu.Unlock()
	return errors.Join(err, s.linger()) // whoever had it started comes now
}

// meet has the server say who it is, over a connection of its own that is in a
// directory; "" is the root.
func (s *Server) meet(ctx context.Context, conn *net.UnixConn, dir string) error {
	if dir == "" {
		dir = "/"
	}
	// On 3.2 its mark is a global option of sessions (see keep), which one of a session, window or
	// pane hides from formats.
	out, err := askIn(ctx, wire.NewClient(conn, wire.Unknown), dir, []string{"display-messag", "-p",
		"#{pid} #{start_time} #{version} #{?#{m:3.2*,#{version}},,#{" + tmux.MarkOption + "}}", ";", "show-option", "-gqv", tmux.MarkOption})
	if err != nil {
		return err
	}
	return s.believe(ctx, strings.TrimSuffix(string(out), "\n"))
}

// meetEvery is how long a configuration may take before the server is asked who
// it is over another connection.
const meetEvery = 50 * time.Millisecond

// meetAhead waits for the first client's answer, which comes when the
// configuration is read. Should that take long, the server is asked ahead. What
// it says before it has come to its mark is not held against it.
func (s *Server) meetAhead(ctx context.Context, read <-chan error) error {
	tick := time.NewTicker(meetEvery)
	defer tick.Stop()
	again := tick.C
	for {
		select {
		case err := <-read:
			return err
		case <-again:
			conn, _, err := s.dial(ctx)
			if err == nil && s.meet(ctx, conn, "") == nil {
				s.meeting.Do(func() { close(s.met) })
				again = nil
			}
		}
	}
}

// dialFirst connects for the first time. tmux has bound its socket, which is
// what we could see, but perhaps does not listen yet; one that we adopted may
// be stopped.
func (s *Server) dialFirst(ctx context.Context) (*net.UnixConn, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, _, err := s.dial(ctx)
		if err == nil {
			return conn, nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return nil, s.cause
		case <-ctx.Done():
			return nil, err
		}
	}
}

// believe compares what the server says with what we know.
func (s *Server) believe(ctx context.Context, said string) error {
	said, global, _ := strings.Cut(said, "\n")
	f := strings.SplitN(said, " ", 4)
	if len(f) != 4 {
		return fmt.Errorf("it says %.100q of itself", said)
	}
	if hidesMark(f[2]) {
		f[3] = global
	}
	start, err := strconv.ParseInt(f[1], 10, 64)
	if f[0] != strconv.Itoa(s.kept.PID) || err != nil {
		return fmt.Errorf("process %d says it were %.40q", s.kept.PID, said)
	}
	if f[3] != s.kept.Mark {
		return errors.New("its mark " + tmux.MarkOption + " is not the one we gave it, so nobody knows which server this is; end it and start again")
	}
	v, err := tmux.ParseVersion(f[2])
	if err != nil {
		return err
	}
	if !v.AtLeast(tmux.Oldest()) {
		return fmt.Errorf("it is tmux %s; at least %s is needed", v, tmux.Oldest())
	}
	framing, err := wire.FramingOf(f[2])
	if err != nil {
		return err
	}
	s.mu.Lock()
	other := s.started != 0 && s.started != start
	if !other {
		s.version, s.framing, s.started = v, framing, start
	}
	s.mu.Unlock()
	if other {
		return errors.New("it began at another time than the one we started")
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	return s.g.hands.Note(ctx, s.kept.ID, keep.Said{Started: start, Version: f[2]})
}

// finish makes the server unknown and lets go of everything that is open.
func (s *Server) finish(cause error) { s.once.Do(func() { s.end(cause) }) }

func (s *Server) end(cause error) {
	s.g.mu.Lock()
	if s.g.byOwner[s.kept.Owner] == s {
		delete(s.g.byOwner, s.kept.Owner)
	} else {
		delete(s.g.byID, s.kept.ID) // it was never known to anybody: nothing is told of it
	}
	s.g.mu.Unlock()
	s.cause = cause
	close(s.done)
	s.hold.end()
	s.closeControl()
}

// letGo forgets a server that goes on.
func (s *Server) letGo() { s.finish(ErrLetGo) }

// hidesMark reports whether options of sessions, windows and panes hide a server's mark.
func hidesMark(version string) bool { return strings.HasPrefix(version, "3.2") }
