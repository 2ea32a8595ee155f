package guard

import (
	"bytes"
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/wire"
)

// Many connections lie in the socket of a server that stands still. One that goes on confirms only
// when each of them was accepted and all in them is done: tmux accepts one in a turn of its loop.
func TestConfirmBehindMany(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	if err := s.Confirm(t.Context()); err != nil { // it has a control client
		t.Fatal(err)
	}
	if _, err := s.Halt(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	const many = 40
	for range many {
		c, err := s.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello := &wire.Hello{Flags: wire.FlagUTF8, PID: int32(os.Getpid()), Cwd: "/", Argv: []string{"set-option", "-a", "@done", "x"}}
		if err := c.Identify(t.Context(), hello); err != nil {
			t.Fatal(err)
		}
		_ = c.Close() // what was written lies there
	}
	if _, err := s.Halt(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := s.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	replies, err := c.Do(t.Context(), "show-options -v @done") // by a connection that was accepted before
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(replies[0].Data, []byte("x")); got != many {
		t.Errorf("it confirms, and has done %d of the %d things that lay in its socket", got, many)
	}
}
