package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// firstSession is how long a server without sessions is kept for its first
// one after somebody asked for it.
const firstSession = 3 * time.Second

// hold keeps an empty server from exiting. tmux leaves only when it has no
// clients, and a connection that says nothing is one.
type hold struct {
	mu    sync.Mutex
	n     int // who needs it: holders, and one for grace
	conn  *net.UnixConn
	ended bool

	grace bool
	asked int  // who had it started and does not hold it yet
	heard bool // somebody had it started, in this life of the grace
	until time.Time
	timer *time.Timer
	idle  chan struct{} // told when n falls to 0
}

// Hold keeps the server from exiting while it has no session, until release is
// called (which may be called again). Hold it while a request is under way.
// When everybody who had the server started has held it and let go, nothing
// more is waited for.
func (s *Server) Hold() (release func(), err error) {
	s.hold.mu.Lock()
	defer s.hold.mu.Unlock()
	if err := s.grab(); err != nil {
		return nil, err
	}
	s.hold.asked = max(0, s.hold.asked-1)
	var once sync.Once
	return func() {
		once.Do(func() {
			s.hold.mu.Lock()
			defer s.hold.mu.Unlock()
			s.hold.drop()
		})
	}, nil
}

// grab counts one more. With hold.mu held.
func (s *Server) grab() error {
	h := &s.hold
	if h.ended {
		return fmt.Errorf("hold the tmux server of %s: it has ended", s.kept.Owner)
	}
	if h.conn == nil {
		conn, err := s.Dial(context.Background()) // it has its own deadline
		if err != nil {
			return err
		}
		h.conn = conn
		s.g.wg.Go(func() { h.listen(conn) })
	}
	h.n++
	return nil
}

// listen waits for the server to say anything on a connection that asks for
// nothing. It can only be that we are to go, as the server is ending and waits
// for its clients.
func (h *hold) listen(conn *net.UnixConn) {
	_, _ = conn.Read(make([]byte, 1))
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = conn.Close()
	if h.conn == conn {
		h.conn = nil
	}
}

// drop counts one less. With mu held.
func (h *hold) drop() {
	if h.n--; h.n == 1 && h.grace && h.heard && h.asked == 0 {
		h.grace, h.heard = false, false
		h.timer.Stop()
		h.n--
	}
	if h.n > 0 {
		return
	}
	if h.conn != nil {
		_ = h.conn.Close()
		h.conn = nil
	}
	h.wake()
}

// wake has who keeps the control client look again.
func (h *hold) wake() {
	select {
	case h.idle <- struct{}{}:
	default:
	}
}

// stay keeps the server for somebody who had it started and will hold it.
func (s *Server) stay() error {
	s.hold.mu.Lock()
	defer s.hold.mu.Unlock()
	if err := s.linger(); err != nil || !s.hold.grace {
		return err
	}
	s.hold.heard = true
	s.hold.asked++
	return nil
}

// linger keeps the server for its first session, if it has none that we know
// of. With hold.mu held.
func (s *Server) linger() error {
	h := &s.hold
	if s.hasSessions() {
		return nil
	}
	h.until = time.Now().Add(firstSession)
	if h.grace {
		return nil // the timer looks at until
	}
	if err := s.grab(); err != nil {
		return err
	}
	h.grace = true
	if h.timer == nil {
		h.timer = time.AfterFunc(firstSession, h.expire)
	} else {
		h.timer.Reset(firstSession)
	}
	return nil
}

func (h *hold) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.grace {
		return
	}
	if left := time.Until(h.until); left > 0 {
		h.timer.Reset(left)
		return
	}
	h.grace, h.asked, h.heard = false, 0, false
	h.drop()
}

// enough ends the wait for the first session: it is there.
func (h *hold) enough() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.grace {
		h.grace, h.asked, h.heard = false, 0, false
		h.timer.Stop()
		h.drop()
	}
}

func (h *hold) held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n > 0
}

func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended, h.grace = true, false
	if h.timer != nil {
		h.timer.Stop()
	}
	if h.conn != nil {
		_ = h.conn.Close()
		h.conn = nil
	}
}

// sessions notes how many sessions the server has.
func (s *Server) sessions(n int) {
	s.mu.Lock()
	s.seen.sessions = n
	s.mu.Unlock()
	if n > 0 {
		s.hold.enough()
	}
}

func (s *Server) hasSessions() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.sessions > 0
}

// errNoSession is the error of a control client for a server that lends itself
// to one only once it has a session.
var errNoSession = errors.New("the server has no session yet")

// Control gives the control client of the server, and opens one if there is
// none. It is shared, and guard's to close: it goes when the server has no
// session left and nobody holds it, so that the server can exit.
func (s *Server) Control(ctx context.Context) (*control.Client, error) {
	c, _, err := s.control(ctx)
	return c, err
}

// Model gives what is known about the server by its control client, and ends
// with that: ask for it anew each time.
func (s *Server) Model(ctx context.Context) (*control.Model, error) {
	_, m, err := s.control(ctx)
	return m, err
}

func (s *Server) control(ctx context.Context) (*control.Client, *control.Model, error) {
	if err := s.acquainted(ctx); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	have, known := s.ctl, s.model
	s.mu.Unlock()
	if have != nil && have.Err() == nil {
		return have, known, nil // a thousand may ask at once
	}
	select {
	case s.ctlLock <- struct{}{}:
		defer func() { <-s.ctlLock }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("talk to the tmux server of %s: %w", s.kept.Owner, ctx.Err())
	}
	s.mu.Lock()
	c, m := s.ctl, s.model
	s.mu.Unlock()
	if c != nil && c.Err() == nil {
		return c, m, nil
	}
	if err := s.over(ctx, c); err != nil {
		return nil, nil, err
	}
	return s.openControl(ctx)
}

// over waits until nothing is done any more of what was sent over a connection that ends, as when it is
// cut for somebody: what tmux has read may wait there for a hook. The next one would answer before
// that, and know nothing of it. When it is closed tmux drops what still waits.
func (s *Server) over(ctx context.Context, c *control.Client) error {
	if c == nil {
		return nil
	}
	select {
	case <-c.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("talk to the tmux server of %s: it does not come to what it was sent: %w", s.kept.Owner, ctx.Err())
	}
}

func (s *Server) openControl(ctx context.Context) (*control.Client, *control.Model, error) {
	opts := control.Options{User: s.kept.Account.Name, UID: s.kept.Account.UID}
	if v := s.Version(); v.AtLeast(tmux.Version{Major: 3, Minor: 4}) {
		last, err := s.anySession(ctx)
		if err != nil {
			return nil, nil, err
		}
		opts.Session, opts.LastAttached = last.id, last.attached
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := control.Open(ctx, conn, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("talk to the tmux server of %s: %w", s.kept.Owner, err)
	}
	conn.Came() // what is sent from here on goes by its pipes
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Cause(); err != nil { // closeControl has been here
		return nil, nil, errors.Join(err, c.Close())
	}
	m := control.NewModel(c)
	if s.ctl != nil {
		for _, of := range s.ctl.Owing() { // it is done; that it is written tells the answer to what is asked from here on
			c.ActedOf(of)
		}
	}
	s.ctl, s.model = c, m
	s.g.wg.Go(func() {
		s.keep(c)
		m.Wait()
	})
	return c, m, nil
}

// anySession gives the session that was used last: who attaches to it changes nothing
// about that.
func (s *Server) anySession(ctx context.Context) (usedSession, error) {
	out, err := s.oneShot(ctx, "list-sess", "-F", "#{session_id} #{session_activity} #{session_last_attached}")
	if err != nil {
		return usedSession{}, err
	}
	last, ok := lastUsed(out)
	if !ok {
		return usedSession{}, errNoSession
	}
	return last, nil
}

// usedSession is a session with when it was used, and attached to, last. 0 is never.
type usedSession struct {
	id             string
	used, attached int64
}

// lastUsed gives the session that was used last. Of those of one second it is the one that
// was attached to last, and then the newest.
func lastUsed(list []byte) (last usedSession, ok bool) {
	var newest tmux.SessionID
	for line := range lines(list) {
		words := append(strings.Fields(line), "", "", "")
		id, err := tmux.ParseSessionID(words[0])
		if err != nil {
			continue
		}
		one := usedSession{id: words[0]}
		one.used, _ = strconv.ParseInt(words[1], 10, 64)
		one.attached, _ = strconv.ParseInt(words[2], 10, 64) // left out if that was never
		if !ok || cmp.Or(cmp.Compare(one.used, last.used), cmp.Compare(one.attached, last.attached), cmp.Compare(id, newest)) > 0 {
			last, newest, ok = one, id, true
		}
	}
	return last, ok
}

// keep closes a control client when its time has come.
func (s *Server) keep(c *control.Client) {
	empty := false
	for {
		if empty && !s.hold.held() {
			if !s.hasSessions() {
				break
			}
			// Somebody's answer says so. It may be from before the last one ended, and
			// then nobody would ever say otherwise.
			empty = false
			c.Look()
		}
		select {
		case <-c.Empty():
			empty = true
			s.sessions(0)
		case <-s.hold.idle:
		case <-c.Done():
			_ = c.Close()
			s.hold.wake() // it may have been meant for the next one's
			return
		case <-s.done:
			_ = c.Close()
			return
		}
	}
	_ = c.Close()
}

func (s *Server) closeControl() {
	c := s.connected()
	if c != nil {
		_ = c.Close()
	}
}

// Known is the server's state as it was seen last, without asking; nil before
// that. It is for who must not wait for this server.
func (s *Server) Known() *tmux.Snapshot { return s.known.Load() }

// Snapshot asks the server for its state now, and waits connectTime at most.
func (s *Server) Snapshot(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	return s.sure(ctx, d, time.Now(), s.snapshot)
}

// Ask asks the server for its state as Snapshot does, if there is a connection to it, and waits
// for nothing. The answer is to be waited for, once.
func (s *Server) Ask(d tmux.Detail) (answer func(context.Context) (*tmux.Snapshot, error)) {
	s.mu.Lock()
	c, m := s.ctl, s.model
	s.mu.Unlock()
	if c == nil || c.Err() != nil || s.Cause() != nil {
		return func(ctx context.Context) (*tmux.Snapshot, error) { return s.Snapshot(ctx, d) }
	}
	at, asked := time.Now(), m.Start(d)
	return func(ctx context.Context) (*tmux.Snapshot, error) {
		return s.sure(ctx, d, at, func(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
			if err := s.acquainted(ctx); err != nil {
				return nil, err
			}
			return asked.Wait(ctx)
		})
	}
}

// sure makes sure of what was first looked at, and asked for at that time.
func (s *Server) sure(ctx context.Context, d tmux.Detail, at time.Time,
	first func(context.Context, tmux.Detail) (*tmux.Snapshot, error)) (*tmux.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	snap, err := first(ctx, d)
	if errors.Is(err, control.ErrNotExecuted) { // that client was on its way out
		at = time.Now()
		snap, err = s.snapshot(ctx, d)
	}
	if err != nil && ctx.Err() == nil && s.Cause() == nil {
		// Without a session tmux refuses some of the questions.
		if _, none := s.anySession(ctx); errors.Is(none, errNoSession) {
			at = time.Now()
			snap, err = s.emptySnapshot(ctx, d)
		}
	}
	if err == nil && hidesMark(s.Version().String()) { // who has its mark was asked when it began
		marked := *snap // others have the same, and look at it now
		marked.Incarnation.Mark = s.kept.Mark
		snap = &marked
	}
	if err == nil && snap.Incarnation != s.Life() {
		err = fmt.Errorf("it is another server than the one we started: %v", snap.Incarnation)
	}
	if err != nil {
		return nil, fmt.Errorf("look at the tmux server of %s: %w", s.kept.Owner, err)
	}
	s.saw(snap, at)
	return snap, nil
}

// saw notes a state that was asked for at that time, unless a later one is known: who asks and
// does not wait, as long as they like, has nobody believe that what came meanwhile is not there.
func (s *Server) saw(snap *tmux.Snapshot, at time.Time) {
	s.mu.Lock()
	late := at.Before(s.knownAt)
	if !late {
		s.knownAt = at
		known := snap
		if snap.Detail == tmux.Places { // who asks for what is known may ask for clients
			known = snap.WithClientsOf(s.known.Load())
		}
		s.known.Store(known)
	}
	s.mu.Unlock()
	if !late {
		s.sessions(len(snap.Sessions))
	}
}

// Recent is Snapshot for who can do with a state that was asked for at most maxAge ago, and
// since when no change was notified. It says when that was.
func (s *Server) Recent(ctx context.Context, d tmux.Detail, maxAge time.Duration) (*tmux.Snapshot, time.Time, error) {
	if m, err := s.Model(ctx); err == nil {
		if snap, at := m.Fresh(d, maxAge); snap != nil && snap.Incarnation == s.Life() {
			return snap, at, nil
		}
	}
	at := time.Now()
	snap, err := s.Snapshot(ctx, d)
	return snap, at, err
}

func (s *Server) snapshot(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	m, err := s.Model(ctx)
	if err != nil {
		return nil, err
	}
	return m.Refresh(ctx, d)
}

// emptySnapshot is that of a server without sessions.
func (s *Server) emptySnapshot(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	out, err := s.oneShot(ctx, askAliases()...)
	if err != nil {
		return nil, err
	}
	return tmux.NewSnapshot(tmux.Snapshot{Incarnation: s.Life(), Version: s.Version(), Detail: d, Now: s.g.opt.Now().Unix(),
		Options: tmux.Options{Aliases: tmux.ParseAliases(string(out), s.Version())}}), nil
}

// exitTime is how long a server that leaves may take for it.
const exitTime = time.Second

// Settle returns when it is clear whether the server goes on: after a command
// that may have ended it, such as kill-server or the end of the last session.
// Nobody is then told "done" while the server is still on its way out, and the
// next command starts a new one. Release what you hold before.
func (s *Server) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exitTime)
	defer cancel()
	_, err := s.anySession(ctx)
	if err == nil {
		s.sessions(1) // or more
		return
	}
	s.sessions(0)
	if errors.Is(err, errNoSession) {
		out, err := s.oneShot(ctx, "display-messag", "-p", "#{exit-empty}")
		if err == nil && strings.TrimSpace(string(out)) != "1" || s.hold.held() {
			return
		}
	}
	select {
	case <-s.done:
	case <-ctx.Done():
	}
}

// Session makes a session of this name where there is none, with what the server runs by
// default; on an isolated server as an account, or, of none, as its panes do by default.
func (s *Server) Session(ctx context.Context, name string, as identity.Account) error {
	release, err := s.Hold()
	if err != nil {
		return err
	}
	defer release()
	snap, err := s.Snapshot(ctx, tmux.Core)
	if err != nil || snap.SessionByName(name) != nil {
		return err
	}
	argv := []string{"new-sessio", "-d", "-s", name} // no alias is spelled so
	said := ""
	if s.Isolated() && as.Name != "" {
		said = ", and its pane runs as " + as.Name
		ticket, err := s.Ticket(ctx, as, "", "")
		if err != nil {
			return fmt.Errorf("make the session %s of %s: %w", name, s.kept.Owner, err)
		}
		// tmux keeps what a session is made with for its other panes, too.
		argv = append(argv, "-e", pane.TicketVariable+"="+ticket, ";", "set-environmen", "-u", "-t", "="+name, pane.TicketVariable)
	}
	if _, err := s.oneShot(ctx, argv...); err != nil {
		return fmt.Errorf("make the session %s of %s: %w", name, s.kept.Owner, err)
	}
	s.sessions(1) // or more: else a client of before goes with our hold, and with it what others ask
	s.g.tell(access.EventServer, s, fmt.Sprintf("the session %s of %s was made%s", name, s.kept.Owner, said))
	return nil
}

// End ends the server, with all that runs in it.
func (s *Server) End(ctx context.Context) error {
	if _, err := s.oneShot(ctx, "kill-serve"); err != nil && s.Cause() == nil { // no alias is spelled so
		return fmt.Errorf("end the tmux server of %s: %w", s.kept.Owner, err)
	}
	return nil
}
