package guard

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
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

// timedHands note which requests come without a time by which they have to be answered.
type timedHands struct {
	Hands
	nobody atomic.Bool // listens

	mu    sync.Mutex
	asked map[string]bool // and whether without end
}

func (h *timedHands) note(ctx context.Context, name string) {
	_, ends := ctx.Deadline()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[name] = h.asked[name] || !ends
}

func (h *timedHands) Connect(ctx context.Context, id string) (*os.File, error) {
	if h.nobody.Load() {
		return nil, keep.ErrNobody
	}
	return h.Hands.Connect(ctx, id)
}

func (h *timedHands) Mend(ctx context.Context, id string) error {
	h.note(ctx, "mend")
	return h.Hands.Mend(ctx, id)
}

func (h *timedHands) Note(ctx context.Context, id string, said keep.Said) error {
	h.note(ctx, "note")
	return h.Hands.Note(ctx, id, said)
}

// Hands that do not answer leave no server uninspected for ever.
func TestHandsAreAskedWithAnEnd(t *testing.T) {
	w := newWorld(t)
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	hands, err := keep.New(w.opt.Options)
	if err != nil {
		t.Fatal(err)
	}
	h := &timedHands{Hands: hands, asked: map[string]bool{}}
	opt := w.opt.Guard
	opt.Hands = h
	w.g = New(opt)
	run(t, w.start("alice"), "new-session", "-d")
	h.nobody.Store(true)
	tmuxtest.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		_, mended := h.asked["mend"]
		return mended
	}, "it is mended")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) != 2 || h.asked["mend"] || h.asked["note"] {
		t.Errorf("without end: %v", h.asked)
	}
}

// A socket of an opening of a door that is over is not listened at, and the second end of
// that opening ends nothing of the next.
func TestStaleReplacement(t *testing.T) {
	w := newWorld(t)
	old, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	count := accepting(t, d)
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	w.g.mu.Lock()
	known := w.g.doors[d.place] == d
	w.g.mu.Unlock()
	if !known {
		t.Error("the door is not known any more")
	}
	l, err := net.Listen("unix", w.dir+"/stale")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	w.g.happened(keep.Event{Kind: keep.EventReplaced, Place: d.place, Generation: old.of, Listen: f})
	reachable(t, d.Path(), count)
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("it stays open: %v", err)
	}
}

// The end of a server that could not be adopted is told, and what it has left behind; it is
// not tried again.
func TestEndOfOneThatWasLeft(t *testing.T) {
	w := newWorld(t)
	const id = "89abcdef"
	w.g.mu.Lock()
	w.g.left = map[string]string{id: "for want of space"}
	w.g.mu.Unlock()
	w.g.happened(keep.Event{Kind: keep.EventEnded, ID: id, Owner: "alice", Text: "it ended"})
	w.g.happened(keep.Event{Kind: keep.EventLeft, ID: id, Owner: "alice", Text: `7 "sleep"`})
	w.heard("tmux server of alice", "which was not adopted, has ended: it ended")
	w.heard("tmux server of alice", "left behind", `7 "sleep"`)
	if w.g.wasLeft(id) {
		t.Error("it is to be tried again")
	}
}
