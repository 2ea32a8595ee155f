package guard

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What bob typed was read by tmux and waits there for a hook when the connection is cut for carol: it
// is not forgotten by the next connection, and bob's is sure only when it was typed.
func TestOwedBehindACut(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "exec cat", ";", "set-hook", "-g", "after-send-keys", "run-shell 'sleep 1'")
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	typed := func() bool { return strings.Contains(run(t, s, "capture-pane", "-p"), "carol-bob") }
	if _, err := c.SendOf("carol", "send-keys -t : -l carol"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendOf("bob", "send-keys -t : -l -- -bob"); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(run(t, s, "capture-pane", "-p"), "carol") }, "the hook runs")
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Cut(ctx)
	}()
	tmuxtest.Eventually(t, func() bool { return c.Err() != nil }, "it is being cut")
	if owing := s.Owing(); !slices.Contains(owing, "bob") {
		t.Errorf("nobody knows what became of bob's, and %v owe", owing)
	}
	if _, err := s.Control(t.Context()); err != nil { // somebody else goes on
		t.Fatal(err)
	}
	if !typed() {
		t.Error("others go on before what was read is typed, and nobody owes it")
	}
	if err := s.Written(t.Context(), "bob"); err != nil || !typed() {
		t.Errorf("bob's is written, %v, and typed: %v", err, typed())
	}
	<-cut
}

// What still waits for a hook when its connection is closed is never done.
func TestClosedBehindAHook(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "exec cat", ";", "set-hook", "-g", "after-send-keys", "run-shell 'sleep 1'")
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendOf("bob", "send-keys -t : -l carol", "send-keys -t : -l -- -bob"); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(run(t, s, "capture-pane", "-p"), "carol") }, "the hook runs")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Cut(ctx)
	if err := s.Written(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	run(t, s, "run-shell", "-d", "1.5", "true")
	if screen := run(t, s, "capture-pane", "-p"); strings.Contains(screen, "bob") {
		t.Errorf("it is typed when that is confirmed: %q", screen)
	}
}
