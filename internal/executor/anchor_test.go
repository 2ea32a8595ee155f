package executor

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// moored is a server at which an anchor lies, and that does not answer.
type moored struct {
	Server
	named func() // is called when it is asked for its incarnation
}

func (moored) Owner() string         { return "alice" }
func (m moored) Incarnation() string { m.named(); return "1" }
func (moored) Done() <-chan struct{} { return nil }
func (moored) Control(context.Context) (*control.Client, error) {
	return nil, context.DeadlineExceeded
}

// moor has somebody else's anchor lie where a display is, and gives the number of those
// who have a part in it.
func moor(t *testing.T, e *Executor) (users func() int) {
	here, there := pair(t)
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h, err := e.anchors.take(anchorage{owner: "alice", incarnation: "1", session: 1}, func() (*anchor, error) {
		return &anchor{conn: wire.NewClient(here, wire.Unknown), in: in, out: out, gone: make(chan struct{})}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, end := range []interface{ Close() error }{theirIn, theirOut, there} {
			_ = end.Close()
		}
		if h.giveUp(); !h.last || len(e.anchors.all) > 0 {
			t.Errorf("the last has left, and it is not let go: %d others have a part in it, %d lie there", h.users, len(e.anchors.all))
		}
		h.ears.Wait()
	})
	return func() int {
		e.anchors.mu.Lock()
		defer e.anchors.mu.Unlock()
		return h.users
	}
}

// Somebody's rights may be looked at twice at the same time, and while they are just being
// attached: they have one part in the anchor, which is waited for once.
func TestOnePartInTheAnchor(t *testing.T) {
	e := &Executor{}
	users := moor(t, e)
	var met, both sync.WaitGroup
	met.Add(2)
	s := &seat{e: e, server: moored{named: func() { met.Done(); met.Wait() }}}
	s.ctx, s.cancel = context.WithCancelCause(t.Context())
	for range 2 {
		both.Go(func() {
			if err := s.weighDown(t.Context(), 1, tmux.ParseOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := users(); n != 2 {
		t.Errorf("%d have a part in it, want 2", n)
	}
	s.mindAnchor() // as run does
	s.cancel(nil)
	s.part(s.anchor)
	if err := s.settled(s.anchor); err != nil || users() != 1 {
		t.Errorf("left: %v, %d have a part in it", err, users())
	}
}

// Whose display was given up gets no part in an anchor any more.
func TestNoAnchorForWhoIsNotThere(t *testing.T) {
	e := &Executor{}
	users := moor(t, e)
	s := &seat{e: e, server: moored{named: func() {}}}
	if err := s.weighDown(t.Context(), 1, tmux.ParseOptions{}); err != nil || users() != 2 {
		t.Fatalf("%v, %d have a part in it", err, users())
	}
	s.abandon()
	s.anchor = nil
	if err := s.weighDown(t.Context(), 1, tmux.ParseOptions{}); err == nil || users() != 1 {
		t.Errorf("%v, %d have a part in it", err, users())
	}
}
