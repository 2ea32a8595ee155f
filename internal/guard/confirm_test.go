package guard

import (
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// What was asked over a connection of its own is loose until tmux has come to it, and what was
// closed before that until it is confirmed: then one turn of the server's loop confirms.
func TestConfirmKnowsWhatIsLoose(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	if _, err := s.Control(t.Context()); err != nil {
		t.Fatal(err)
	}
	loose := func() bool { _, loose := s.backlog.ends(); return loose }
	tmuxtest.Eventually(t, func() bool { return !loose() }, "all that was asked so far is done")
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !loose() {
		t.Error("a connection over which something may be asked does not count")
	}
	hello := &wire.Hello{Flags: wire.FlagUTF8, PID: int32(os.Getpid()), Cwd: "/", Argv: []string{"set-option", "-a", "@done", "x"}}
	if err := c.Identify(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	if err := s.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !loose() {
		t.Error("one that is open, and not heard, is taken for done")
	}
	_ = c.Close()
	if !loose() {
		t.Error("one that was closed is taken for done")
	}
	if err := s.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The guard looks at its server by connections of its own, which count while they are asked.
	rest := func(what string) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool { return !loose() }, what)
	}
	rest("it is confirmed, and counts no more")
	run(t, s, "set-option", "-a", "@done", "y")
	rest("a command that is done counts no more")
}
