package executor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// anchor keeps guests' displays from sizing windows. tmux takes no size from
// a client that asked to be ignored as long as any other client is attached
// that did not ask so; the anchor is that other one: a control client that has
// no size itself. So windows keep theirs, also when only guests are attached.
//
// One holds for all guests who came to the same session: each client costs tmux
// something in every turn of its loop, and every control client is told of each
// that comes or goes.
type anchor struct {
	conn *wire.Conn
	in   *os.File // closing it ends the client as well
	out  *os.File

	ears     sync.WaitGroup
	once     sync.Once
	gone     chan struct{} // closed when it holds no size any more
	detached bool          // because somebody detached it
	fault    error         // or by a fault of ours; both set before

	users int // under mu of the anchors
}

// lost reports whether it holds no size any more.
func (a *anchor) lost() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

// anchorage is where an anchor lies.
type anchorage struct {
	owner, incarnation string
	session            tmux.SessionID
}

// anchors are those that are in use, each where guests came first.
type anchors struct {
	mu  sync.Mutex
	all map[anchorage]*anchor
}

// hold is one guest's part in an anchor.
type hold struct {
	*anchor
	of     *anchors
	at     anchorage
	minds  sync.Once     // it is waited for once, whoever comes to that first
	minded chan struct{} // closed when nobody waits for its loss any more

	// Under mu of the anchors: it was given up, and nobody else had a part in it then.
	given, last bool
}

// take gives a part in the anchor that lies there, or in a new one.
func (l *anchors) take(at anchorage, drop func() (*anchor, error)) (*hold, error) {
	if h := l.join(at, nil); h != nil {
		return h, nil
	}
	next, err := drop()
	if err != nil {
		return nil, err
	}
	return l.join(at, next), nil
}

// join gives a part in the anchor that lies there; in next if there is none. One that
// others were quicker with is not needed.
func (l *anchors) join(at anchorage, next *anchor) *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.all[at]
	switch have := a != nil && !a.lost(); {
	case have && next != nil:
		next.drop()
		_ = next.out.Close()
	case have:
	case next == nil:
		return nil
	default:
		if a = next; l.all == nil {
			l.all = map[anchorage]*anchor{}
		}
		l.all[at] = a
		a.ears.Go(func() { a.follow(func() bool { return a.drain(a.out) }) })
		a.ears.Go(func() { a.follow(a.hear) })
	}
	a.users++
	return &hold{anchor: a, of: l, at: at, minded: make(chan struct{})}
}

// leave gives up the part, and reports whether nobody else has one: then the anchor is
// the caller's to drop.
func (h *hold) leave() (last bool) {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if h.given {
		return false
	}
	h.given = true
	h.users--
	if h.last = h.users == 0; h.last && h.of.all[h.at] == h.anchor {
		delete(h.of.all, h.at)
	}
	return h.last
}

// giveUp gives up the part at once, and drops the anchor if nobody else needs it.
func (h *hold) giveUp() {
	if h != nil && h.leave() {
		h.drop()
	}
}

// anchorGrace is how long a display may outlive its anchor whose session or
// server ended: it hears of that itself.
const anchorGrace = 300 * time.Millisecond

// partTime is how long tmux may take to see a display go.
const partTime = time.Second

// drop lets the anchor go.
func (a *anchor) drop() {
	_ = a.in.Close()
	_ = a.conn.Close()
}

// part closes the display, and lets the anchor go once tmux has seen that: until
// then the display's size would count. A server that does not answer is not
// waited for, and nobody waits while others need the anchor: whoever is the last
// to leave does, after this display was closed.
func (s *seat) part(weight *hold) {
	ctx, cancel := context.WithTimeout(context.Background(), partTime)
	defer cancel()
	if !weighs() {
		weight.giveUp()
		s.turns(ctx)
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	if weight == nil || !weighs() {
		return
	}
	if s.heard != nil { // as long as it is read from, it is not closed
		select {
		case <-s.heard:
		case <-ctx.Done():
		}
	}
	s.unweigh(ctx, weight)
}

// turns waits until tmux has taken notice of what ended before.
func (s *seat) turns(ctx context.Context) {
	for range 3 { // reading an end is a turn of its own
		select {
		case <-s.server.Done():
			return
		default:
		}
		c, err := s.server.Control(ctx)
		if err == nil {
			err = c.Drain(ctx)
		}
		if err != nil {
			return
		}
	}
}

// weighDown gives the seat its part in an anchor, before its display can have any
// size. If that is lost later, so is the seat.
func (s *seat) weighDown(ctx context.Context, session tmux.SessionID, opts tmux.ParseOptions) error {
	s.mu.Lock()
	have := s.anchor != nil
	s.mu.Unlock()
	if have {
		return nil
	}
	h, err := s.e.anchors.take(anchorage{s.server.Owner(), s.server.Incarnation(), session}, func() (*anchor, error) {
		return dropAnchor(ctx, s.server, session, opts)
	})
	if err != nil {
		return fmt.Errorf("keep the display from sizing windows: %w", err)
	}
	s.mu.Lock()
	parted, other := s.parted, s.anchor != nil
	if !parted && !other {
		s.anchor = h
	}
	begun := s.ctx != nil
	s.mu.Unlock()
	switch {
	case parted:
		s.unneeded(h)
		return errors.New("keep the display from sizing windows: it is closed")
	case other: // their rights were looked at twice at the same time
		s.unneeded(h)
	case begun:
		s.mindAnchor()
	} // else run does
	return nil
}

// unweigh gives up a part, and lets the anchor go if it was the last one: once tmux has seen
// which displays were closed before, also those of others.
func (s *seat) unweigh(ctx context.Context, h *hold) {
	if h.leave() {
		s.turns(ctx)
		h.drop()
	}
}

// unneeded gives up a part that the display did not need.
func (s *seat) unneeded(h *hold) {
	ctx, cancel := context.WithTimeout(context.Background(), partTime)
	defer cancel()
	s.unweigh(ctx, h)
}

// follow runs f, which tells whether somebody detached the anchor: it is lost
// then in any case.
func (a *anchor) follow(f func() (detached bool)) {
	var detached bool
	fault := attach.Guard(func() error { detached = f(); return nil })
	a.once.Do(func() {
		a.detached, a.fault = detached, fault
		close(a.gone)
	})
}

// settle waits until nobody works for the part any more, which was given up, nor for an
// anchor that was dropped with it; and gives the fault that it was lost by, if any.
func (h *hold) settle() error {
	if h == nil {
		return nil
	}
	<-h.minded
	h.of.mu.Lock()
	last := h.last
	h.of.mu.Unlock()
	if last {
		h.ears.Wait()
	}
	if h.lost() {
		return h.fault
	}
	return nil
}

// drain reads notices until tmux closes the anchor's output.
func (a *anchor) drain(out *os.File) bool {
	defer out.Close()
	failpoint.At("seat-anchor")
	p := make([]byte, 256) // few notices come
	for {
		if _, err := out.Read(p); err != nil {
			return false
		}
	}
}

// hear waits until tmux tells the anchor to go. One that was told so and does
// not go is still listed, but holds no size any more.
func (a *anchor) hear() (detached bool) {
	for {
		m, err := a.conn.ReadMsg(context.Background()) // until drop closes it
		if err != nil {
			return false
		}
		switch m.(type) {
		case *wire.Detach, *wire.DetachKill, *wire.Exec, *wire.Suspend:
			return true
		case *wire.Exit, *wire.Shutdown:
			return false
		}
	}
}

// mindAnchor has the person leave when their anchor is lost while it is needed.
// Whoever detaches the anchor detaches them: their size would count from then
// on, so their display goes at once and the anchor after it. Until tmux has
// seen the display go, which is a moment, it may count.
func (s *seat) mindAnchor() {
	s.mu.Lock()
	h := s.anchor
	s.mu.Unlock()
	if h == nil {
		return
	}
	h.minds.Do(func() {
		go func() {
			defer close(h.minded)
			s.protected(func() { s.mind(h) })
		}()
	})
}

// mind waits until the anchor is lost or the person leaves.
func (s *seat) mind(h *hold) {
	select {
	case <-h.gone:
	case <-s.ctx.Done():
		return
	}
	lost := errors.Join(errors.New("what kept your display from sizing windows has gone; attach again"), h.fault)
	s.mu.Lock()
	sizes := s.resizes.Load() // whoever takes that from them looks for the anchor after it
	if sizes {
		s.anchor = nil
	}
	s.mu.Unlock()
	switch {
	case sizes: // it does size them, by right
		h.giveUp()
		s.tell(h.fault)
	case h.detached:
		s.say(false, &wire.Detach{Session: s.sessionName(s.stage.Load().session.Name)})
		s.leave(fmt.Errorf("%w: so was what kept their display from sizing windows", attach.ErrDetached))
		_ = s.conn.Close()
	default:
		select {
		case <-s.ctx.Done():
		case <-time.After(anchorGrace):
			s.leave(lost)
		}
	}
}

// anchorName begins the names of anchors. Without a name of its own each would have that of
// this process, as its connection to the server has: who detaches one by its name would
// detach another.
const anchorName = "muxward-size-"

// dropAnchor attaches a control client without a size.
func dropAnchor(ctx context.Context, server Server, session tmux.SessionID, opts tmux.ParseOptions) (*anchor, error) {
	name, ok := tmux.SpellCommand("attach-session", opts)
	if !ok {
		return nil, errors.New("the server's command-alias hides attach-session")
	}
	l, err := listen(ctx, server, &wire.Hello{
		Flags: wire.FlagUTF8 | wire.FlagNoStartServer, Cwd: "/", PID: int32(os.Getpid()), TTYName: anchorName + strings.ToLower(rand.Text()),
		Argv: []string{name, "-E", "-f", "no-output", "-t", session.String()},
	})
	if err != nil {
		return nil, err
	}
	return &anchor{conn: l.conn, in: l.in, out: l.out, gone: make(chan struct{})}, nil
}
