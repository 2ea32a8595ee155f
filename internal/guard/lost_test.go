package guard

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// lostHands answer the first OpenDoor of a server with an error, although it is open:
// the answer got lost. A line closes the door then, if it comes to it.
type lostHands struct {
	Hands
	closes bool
	lost   atomic.Int32
}

var errLost = errors.New("the answer got lost")

func (h *lostHands) OpenDoor(ctx context.Context, p keep.Place) (keep.Opened, error) {
	out, err := h.Hands.OpenDoor(ctx, p)
	if err != nil || p.Server == "" || h.lost.Add(1) > 1 {
		return out, err
	}
	err = errors.Join(errLost, out.Listen.Close())
	if h.closes {
		err = errors.Join(err, h.Hands.CloseDoor(ctx, p))
	}
	return keep.Opened{}, err
}

func (w *world) lose(closes bool) *lostHands {
	w.t.Helper()
	if err := w.g.Close(); err != nil {
		w.t.Fatal(err)
	}
	hands, err := keep.New(w.opt.Options)
	if err != nil {
		w.t.Fatal(err)
	}
	h := &lostHands{Hands: hands, closes: closes}
	opt := w.opt.Guard
	opt.Hands = h
	w.g = New(opt)
	return h
}

// A server whose inner door was opened without our hearing of it is ended, and the next
// one comes.
func TestStartAfterLostDoor(t *testing.T) {
	for _, closes := range []bool{true, false} {
		w := newWorld(t)
		w.lose(closes)
		if _, err := w.g.Start(t.Context(), "alice", w.acct, Client{}); !errors.Is(err, errLost) {
			t.Fatal(err)
		}
		s := w.start("alice")
		run(t, s, "new-session", "-d")
	}
}

// A server that was left running is adopted although the first answer got lost.
func TestAdoptAfterLostDoor(t *testing.T) {
	w := newWorld(t)
	pid := w.start("alice").PID()
	run(t, w.start("alice"), "new-session", "-d")
	w.lose(true)
	if err := w.g.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.heard("is not adopted", errLost.Error())
	w.heard("is adopted after all")
	tmuxtest.Eventually(t, func() bool {
		s, ok := w.g.Lookup("alice")
		return ok && s.PID() == pid
	}, "it is adopted")
	run(t, w.start("alice"), "list-sessions")
}
