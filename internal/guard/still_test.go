package guard

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A server to which nothing is under way is still without being asked, as long as it answers: one
// that is stopped, or has been silent, is asked, and what lies before it is waited for.
func TestStill(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { _, loose := s.backlog.ends(); return !loose }, "all that was asked so far is done")
	still := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return s.Still(ctx)
	}
	if err := s.Still(t.Context()); err != nil {
		t.Error(err)
	}
	run(t, s, "set-option", "-g", "@x", "0") // over a connection of its own
	if _, fresh := s.backlog.acted(); !fresh {
		t.Error("what was done over a connection of its own is taken for settled when that has its answer")
	}
	tmuxtest.Eventually(t, func() bool { // our own connection's end may be heard of behind its answer
		if err := s.Still(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, fresh := s.backlog.acted()
		return !fresh
	}, "it is settled when the server is still")
	if _, err := c.Ask(t.Context(), "display-message -p x"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(s.PID(), syscall.SIGCONT) }()
	tmuxtest.Eventually(t, s.stands, "it is stopped")
	if still() == nil {
		t.Error("one that is stopped is still")
	}
	if _, err := c.Send("set-option -g @x 1"); err != nil {
		t.Fatal(err)
	}
	if still() == nil {
		t.Error("something lies before it, and it is still")
	}
	if err := syscall.Kill(s.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := s.Still(t.Context()); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}

// What somebody typed by a command that is answered is known to be written once something was asked
// behind that, and of no server that hangs.
func TestWritten(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "exec cat")
	if owing := s.Owing(); len(owing) > 0 {
		t.Errorf("nobody has typed, and %v owe", owing)
	}
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil { // nothing else is asked meanwhile
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(s.PID(), syscall.SIGCONT) }()
	if _, err := c.SendOf("bob", "send-keys -t : x"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendOf(new(int), "send-keys -t : y"); err != nil { // who is attached is looked after elsewhere
		t.Fatal(err)
	}
	if owing := s.Owing(); !slices.Equal(owing, []string{"bob"}) {
		t.Errorf("bob has typed, and %v owe", owing)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if s.Written(ctx, "bob") == nil {
		t.Error("it is written, by a server that is stopped")
	}
	if err := s.Written(ctx, "carol"); err != nil {
		t.Errorf("carol has typed nothing: %v", err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := s.Written(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	if owing := s.Owing(); len(owing) > 0 {
		t.Errorf("it is written, and %v owe", owing)
	}
}
