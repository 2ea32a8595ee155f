package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// anchor keeps a guest's display from sizing windows. tmux takes no size from
// a client that asked to be ignored as long as any other client is attached
// that did not ask so; the anchor is that other one: a control client that has
// no size itself. So windows keep theirs, also when the guest is alone.
type anchor struct {
	conn *wire.Conn
	in   *os.File // closing it ends the client as well

	ears     sync.WaitGroup
	once     sync.Once
	gone     chan struct{} // closed when it holds no size any more
	minded   chan struct{} // closed when nobody waits for that any more
	detached bool          // because somebody detached it
	fault    error         // or by a fault of ours; both set before
}

// anchorGrace is how long a display may outlive its anchor whose session or
// server ended: it hears of that itself.
const anchorGrace = 300 * time.Millisecond

// partTime is how long tmux may take to see a display go.
const partTime = time.Second

// drop lets the anchor go.
func (a *anchor) drop() {
	if a != nil {
		_ = a.in.Close()
		_ = a.conn.Close()
	}
}

// part closes the display, and lets the anchor go once tmux has seen that: until
// then the display's size would count. A server that does not answer is not
// waited for.
func (s *seat) part(weight *anchor) {
	ctx, cancel := context.WithTimeout(context.Background(), partTime)
	defer cancel()
	if !weighs() {
		weight.drop()
		s.turns(ctx)
	}
	_ = s.conn.Close()
	if weight == nil {
		return
	}
	if s.heard != nil { // as long as it is read from, it is not closed
		select {
		case <-s.heard:
		case <-ctx.Done():
		}
	}
	s.turns(ctx)
	weight.drop()
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

// weighDown makes the seat's anchor, before its display can have any size. If
// it is lost later, so is the seat.
func (s *seat) weighDown(ctx context.Context, session tmux.SessionID, opts tmux.ParseOptions) error {
	s.mu.Lock()
	have := s.anchor != nil
	s.mu.Unlock()
	if have {
		return nil
	}
	a, out, err := dropAnchor(ctx, s.server, session, opts)
	if err != nil {
		return fmt.Errorf("keep the display from sizing windows: %w", err)
	}
	a.ears.Go(func() { a.follow(func() bool { return a.drain(out.out) }) })
	a.ears.Go(func() { a.follow(a.hear) })
	s.mu.Lock()
	s.anchor = a
	begun := s.ctx != nil
	s.mu.Unlock()
	if begun {
		s.mindAnchor()
	} // else run does
	return nil
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

// settle waits until nobody works for the anchor any more, which was dropped,
// and gives the fault that it was lost by, if any.
func (a *anchor) settle() error {
	if a == nil {
		return nil
	}
	a.ears.Wait()
	<-a.minded
	return a.fault
}

// drain reads notices until tmux closes the anchor's output.
func (a *anchor) drain(out *os.File) bool {
	defer out.Close()
	failpoint.At("seat-anchor")
	p := make([]byte, 256) // each guest has one, and few notices come
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
	a := s.anchor
	s.mu.Unlock()
	if a == nil {
		return
	}
	go func() {
		defer close(a.minded)
		s.protected(func() { s.mind(a) })
	}()
}

// mind waits until the anchor is lost or the person leaves.
func (s *seat) mind(a *anchor) {
	select {
	case <-a.gone:
	case <-s.ctx.Done():
		return
	}
	lost := errors.Join(errors.New("what kept your display from sizing windows has gone; attach again"), a.fault)
	switch {
	case s.resizes.Load(): // it does size them, by right
		s.mu.Lock()
		s.anchor = nil
		s.mu.Unlock()
		a.drop()
		s.tell(a.fault)
	case a.detached:
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

// dropAnchor attaches a control client without a size.
func dropAnchor(ctx context.Context, server Server, session tmux.SessionID, opts tmux.ParseOptions) (*anchor, *listener, error) {
	name, ok := tmux.SpellCommand("attach-session", opts)
	if !ok {
		return nil, nil, errors.New("the server's command-alias hides attach-session")
	}
	l, err := listen(ctx, server, &wire.Hello{
		Flags: wire.FlagUTF8 | wire.FlagNoStartServer, Cwd: "/", PID: int32(os.Getpid()),
		Argv: []string{name, "-E", "-f", "no-output", "-t", session.String()},
	})
	if err != nil {
		return nil, nil, err
	}
	return &anchor{conn: l.conn, in: l.in, gone: make(chan struct{}), minded: make(chan struct{})}, l, nil
}
