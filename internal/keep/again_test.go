package keep

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// closeDoor closes a server's inner door, as a line does whose answer came too late.
func (w *world) closeDoor(h Held, d Opened) {
	w.t.Helper()
	if err := errors.Join(d.Listen.Close(), w.k.CloseDoor(w.t.Context(), Place{Server: h.ID})); err != nil {
		w.t.Fatal(err)
	}
}

// Whoever has not heard that the inner door is open can ask again: for the server, for
// the door, and for its end, of which nothing is told then.
func TestDoorAgain(t *testing.T) {
	w := newWorld(t)
	h, d := w.opened("alice")
	for what, err := range map[string]error{
		"opened twice":         second(w.k.OpenDoor(t.Context(), Place{Server: h.ID})),
		"given while open":     second(w.k.Adopt(t.Context(), h.ID)),
		"abandoned while open": w.k.Abandon(t.Context(), h.ID),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.closeDoor(h, d)
	if again, err := w.k.Adopt(t.Context(), h.ID); err != nil || again.PID != h.PID {
		t.Fatalf("%+v, %v", again, err)
	}
	d, err := w.k.OpenDoor(t.Context(), Place{Server: h.ID})
	if err != nil {
		t.Fatal(err)
	}
	if err := accepts(t, d.Listen, d.Path); err != nil {
		t.Error(err)
	}
	w.closeDoor(h, d)
	if err := w.k.Abandon(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("it still runs: %v", err)
	}
	next, _ := w.opened("alice")
	if err := unix.Kill(next.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ev := w.came(EventEnded, "signal 9"); ev.ID != next.ID {
		t.Errorf("the end of the abandoned one was told: %+v", ev)
	}
	if ev := w.came(EventLeft, ""); ev.ID != next.ID {
		t.Errorf("the end of the abandoned one was told: %+v", ev)
	}
}

// The same with one that was adopted, whose end is told once.
func TestAdoptedDoorAgain(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	for range 3 {
		if again, err := w.k.Adopt(t.Context(), h.ID); err != nil || again.PID != h.PID {
			t.Fatalf("%+v, %v", again, err)
		}
		d, err := w.k.OpenDoor(t.Context(), Place{Server: h.ID})
		if err != nil {
			t.Fatal(err)
		}
		w.closeDoor(h, d)
	}
	if err := unix.Kill(h.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.came(EventLeft, "")
	n := 0
	w.mu.Lock()
	for _, ev := range w.events {
		if ev.Kind == EventEnded {
			n++
		}
	}
	w.mu.Unlock()
	if n != 1 {
		t.Errorf("its end was told %d times", n)
	}
	if err := second(w.k.Adopt(t.Context(), h.ID)); !errors.Is(err, ErrEnded) {
		t.Errorf("afterwards: %v", err)
	}
}

// One that was adopted, whose door was never opened, and that ended is known to have, and
// leaves its owner's place.
func TestAdoptedAndEnded(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if err := second(w.k.Adopt(t.Context(), h.ID)); err != nil {
		t.Fatal(err)
	}
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.proc.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.proc.wait()
	if err := second(w.k.Adopt(t.Context(), h.ID)); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	w.came(EventNotice, "has ended before its door was opened")
	if _, err := os.Lstat(w.opt.Run + "/servers/" + h.ID + ".json"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	w.start("alice")
}

// A server that is killed and does not end holds up nobody, is not forgotten, and leaves
// its owner's place when it has ended.
func TestDoesNotEnd(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	alive, end, err := os.Pipe() // to be read from when the process has ended
	if err != nil {
		t.Fatal(err)
	}
	real := s.proc
	defer real.close()
	s.proc = &process{pid: 1 << 30, start: real.start, pidfd: alive}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.k.Abandon(ctx, h.ID); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
	record := w.opt.Run + "/servers/" + h.ID + ".json"
	if _, err := os.Lstat(record); err != nil {
		t.Error(err)
	}
	if err := second(w.k.Start(t.Context(), w.order("alice"))); !errors.Is(err, ErrRefused) {
		t.Errorf("another one beside it: %v", err)
	}
	if err := second(w.k.OpenDoor(t.Context(), Place{Server: h.ID})); !errors.Is(err, ErrEnded) {
		t.Errorf("its door: %v", err)
	}
	if err := errors.Join(real.signal(unix.SIGKILL), end.Close()); err != nil {
		t.Fatal(err)
	}
	<-s.left
	if _, err := os.Lstat(record); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	w.start("alice")
}

// A child that nobody can hold does not stay.
func TestChildIsHeldOrEnded(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) }()
	var err error
	full(t, 0, func() { _, err = holdChild(pid) })
	if !errors.Is(err, unix.EMFILE) {
		t.Error(err)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("it still runs: %v", err)
	}
}

// A server whose start fails while we are being closed is cleared away as well.
func TestEndWhileClosing(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.given = true
	s.mu.Unlock()
	w.k.stop()
	if err := s.end(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(w.opt.Run + "/servers/" + h.ID + ".json"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
