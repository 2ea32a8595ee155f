package guard

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// lateHands answer OpenDoor only when what has happened to the door since was heard:
// what a line to another process may do.
type lateHands struct {
	Hands
	meanwhile func(keep.Place, keep.Opened) []keep.EventKind

	mu    sync.Mutex
	last  keep.EventKind
	heard map[keep.EventKind]bool // and dealt with
}

func (h *lateHands) Next(ctx context.Context) (keep.Event, error) {
	h.mu.Lock()
	h.heard[h.last] = true
	h.mu.Unlock()
	ev, err := h.Hands.Next(ctx)
	h.mu.Lock()
	h.last = ev.Kind
	h.mu.Unlock()
	return ev, err
}

func (h *lateHands) OpenDoor(ctx context.Context, p keep.Place) (keep.Opened, error) {
	out, err := h.Hands.OpenDoor(ctx, p)
	if err != nil {
		return out, err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, kind := range h.meanwhile(p, out) {
		for {
			h.mu.Lock()
			heard := h.heard[kind]
			h.mu.Unlock()
			if heard {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				_ = out.Listen.Close()
				return out, ctx.Err()
			}
		}
	}
	return out, nil
}

// lateWorld is a world with late hands.
func lateWorld(t *testing.T, meanwhile func(keep.Place, keep.Opened) []keep.EventKind) *world {
	t.Helper()
	w := newWorld(t)
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	hands, err := keep.New(w.opt.Options)
	if err != nil {
		t.Fatal(err)
	}
	opt := w.opt.Guard
	opt.Hands = &lateHands{Hands: hands, meanwhile: meanwhile, heard: map[keep.EventKind]bool{}}
	w.g = New(opt)
	return w
}

// A door that is made anew before it was heard that it is open: the new socket counts.
func TestReplacedBeforeOpen(t *testing.T) {
	w := lateWorld(t, func(_ keep.Place, out keep.Opened) []keep.EventKind {
		if err := errors.Join(os.Chmod(filepath.Dir(out.Path), 0o700), os.Remove(out.Path)); err != nil {
			t.Error(err)
		}
		return []keep.EventKind{keep.EventReplaced}
	})
	d, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	reachable(t, d.Path(), accepting(t, d))
}

// A server that ends before it was heard that its door is open: the next one comes, and
// nothing is remembered of the first.
func TestEndedBeforeOpen(t *testing.T) {
	var first sync.Once
	var g *Guard
	w := lateWorld(t, func(p keep.Place, _ keep.Opened) (wait []keep.EventKind) {
		first.Do(func() {
			g.mu.Lock()
			pid := g.byID[p.Server].PID()
			g.mu.Unlock()
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Error(err)
			}
			wait = []keep.EventKind{keep.EventEnded, keep.EventLeft}
		})
		return wait
	})
	g = w.g
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	w.heard("has ended", "signal 9")
	tmuxtest.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.byID) == 1 && len(g.byOwner) == 1 && len(g.doors) == 1
	}, "the first is forgotten")
}

// What has happened before the end is told, however soon that comes.
func TestToldAtTheEnd(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	release := make(chan struct{})
	w.g.mu.Lock()
	go func() { // hear waits for mu
		<-release
		w.g.mu.Unlock()
	}()
	if err := unix.Kill(s.PID(), unix.SIGKILL); err != nil {
		t.Error(err)
	}
	tmuxtest.Eventually(t, func() bool {
		_, err := os.Lstat(w.opt.Run + "/servers/" + s.kept.ID + ".json")
		return errors.Is(err, os.ErrNotExist)
	}, "the hands have cleared it away")
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	if len(w.about("tmux server of alice", "has ended", "signal 9")) != 1 {
		t.Errorf("told:%s", w.all())
	}
}
