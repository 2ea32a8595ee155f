package keep

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func (w *world) state(h Held) byte {
	w.t.Helper()
	_, state, err := startOf(h.PID)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

func (w *world) halt(h Held, stop bool) Halted {
	w.t.Helper()
	got, err := w.k.Halt(w.t.Context(), h.ID, stop)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// What was stopped is known to the next one, which lets it go on; and nothing else goes on by that.
func TestHalt(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	if got := w.halt(h, false); got != (Halted{}) || w.state(h) == 'T' {
		t.Errorf("nothing was stopped: %+v", got)
	}
	for range 2 {
		if got := w.halt(h, true); got != (Halted{Stopped: true}) || w.state(h) != 'T' {
			t.Errorf("stopped: %+v, state %c", got, w.state(h))
		}
	}
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.PID, unix.SIGCONT); err != nil { // as who is killed just then has done
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return w.state(h) != 'T' }, "it goes on")
	w.open()
	if _, err := w.k.Found(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := w.k.Adopt(t.Context(), h.ID)
	if err != nil || !again.Stopped {
		t.Fatalf("adopted: %+v, %v", again, err)
	}
	tmuxtest.Eventually(t, func() bool { return w.state(h) == 'T' }, "it is stopped again")
	if got := w.halt(h, false); got != (Halted{}) {
		t.Errorf("it goes on: %+v", got)
	}
	tmuxtest.Eventually(t, func() bool { return w.state(h) != 'T' }, "it goes on")
	w.stock(h, "new-session", "-d")
	if rec, err := w.k.readRecord(h.ID); err != nil || rec.Stopped {
		t.Errorf("%+v, %v", rec, err)
	}
}

// What somebody else has stopped is left to them.
func TestHaltedByOthers(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	if err := unix.Kill(h.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return w.state(h) == 'T' }, "it is stopped")
	if got := w.halt(h, true); got != (Halted{Before: true}) {
		t.Errorf("%+v", got)
	}
	if got := w.halt(h, false); got != (Halted{}) || w.state(h) != 'T' {
		t.Errorf("it goes on: %+v", got)
	}
	if err := unix.Kill(h.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// No process is stopped that was not started or adopted here, nor one that has ended.
func TestHaltRefuses(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	for id, want := range map[string]error{"": ErrRefused, "../x": ErrRefused, "0123abcd": ErrEnded} {
		if _, err := w.k.Halt(t.Context(), id, true); !errors.Is(err, want) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := unix.Kill(h.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.came(EventEnded, "")
	if _, err := w.k.Halt(t.Context(), h.ID, true); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
}

// A pane that was let in just before has neither what minds its session nor a cgroup yet: it is waited for, and
// one that does not come to that is told. None is let in behind it.
func TestHaltWaitsForPanes(t *testing.T) {
	if !asRoot() {
		return
	}
	w := newWorld(t, isolatedOptions)
	h, err := w.k.Start(t.Context(), Order{Owner: "prod", Account: listed(t, workName), Isolated: true})
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.KillAtEnd(t, h.PID)
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.beginning.RLock()
	if got := w.halt(h, true); got != (Halted{Stopped: true, Free: 1}) {
		t.Errorf("with one that is let in: %+v", got)
	}
	if err := s.mayBegin(); !errors.Is(err, errHalted) {
		t.Errorf("another is let in: %v", err)
	}
	s.beginning.RUnlock()
	if got := w.halt(h, true); got != (Halted{Stopped: true}) {
		t.Errorf("once it has begun: %+v", got)
	}
	if got := w.halt(h, false); got != (Halted{}) {
		t.Errorf("it goes on: %+v", got)
	}
}
