package guard

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// hungHands do not come to what they are asked until they are let.
type hungHands struct {
	Hands
	let   chan struct{}
	asked atomic.Int32 // and done
}

func (h *hungHands) Halt(ctx context.Context, id string, stop bool) (keep.Halted, error) {
	select {
	case <-h.let:
	case <-ctx.Done():
		return keep.Halted{}, ctx.Err()
	}
	defer h.asked.Add(1)
	return h.Hands.Halt(ctx, id, stop)
}

// A server that could not be stopped in time is not left stopped when the hands come to it: who
// asked was told so. One that is stopped confirms nothing, and does when it goes on.
func TestHaltByHungHands(t *testing.T) {
	w := newWorld(t)
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	hands, err := keep.New(w.opt.Options)
	if err != nil {
		t.Fatal(err)
	}
	h := &hungHands{Hands: hands, let: make(chan struct{})}
	opt := w.opt.Guard
	opt.Hands = h
	w.g = New(opt)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	if _, err := s.Halt(short(), true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(h.let)
	tmuxtest.Eventually(t, func() bool { return h.asked.Load() == 2 }, "it is stopped, and let go on")
	if err := s.Confirm(t.Context()); err != nil {
		t.Errorf("it was not let go on: %v", err)
	}
	if stopped, frozen := s.Halted(); stopped || frozen {
		t.Errorf("stopped %t, frozen %t", stopped, frozen)
	}
	if got, err := s.Halt(t.Context(), true); err != nil || !got.Stopped {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Confirm(short()); err == nil {
		t.Error("one that is stopped confirms that all is done")
	}
	if _, err := s.Halt(t.Context(), false); err != nil {
		t.Error(err)
	}
	if err := s.Confirm(t.Context()); err != nil {
		t.Error(err)
	}
}

// Whether a server may have something to do is told also while somebody waits for a connection to it,
// who holds up all that hold it: a lockdown waits for nobody's.
func TestUsedWaitsForNobody(t *testing.T) {
	s := newServer(&Guard{}, keep.Held{})
	s.hold.mu.Lock()
	defer s.hold.mu.Unlock()
	used := make(chan bool, 2)
	go func() {
		used <- s.Used()
		close(s.begun)
		used <- s.Used()
	}()
	for _, want := range []bool{false, true} {
		select {
		case got := <-used:
			if got != want {
				t.Errorf("used %v, want %v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it waits")
		}
	}
}
