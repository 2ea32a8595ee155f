package sshd

import (
	"context"
	"io"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestNothingIsShownBehindTheCommand: the end of an answer does not fit into the window
// of somebody's channel. What it rests on is taken back when the command is long over,
// and then they open the window: they hear nothing more.
func TestNothingIsShownBehindTheCommand(t *testing.T) {
	const window = 2 << 20 // of a client of x/crypto/ssh
	b := newBed(t, nil, 1)
	b.print = window
	client := b.dial(newValve(false), ssh.Config{})
	c, ch := b.conn(), b.session(client)
	_, _ = ch.SendRequest("exec", false, ssh.Marshal(struct{ Line string }{"tmux -C list-sessions"}))
	still, wrote := 0, int64(0)
	tmuxtest.Eventually(t, func() bool { // it lies in front of the window
		if now := c.nc.wrote.Load(); now < window || now != wrote || !inside("(*session).run") {
			still, wrote = 0, now
		}
		still++
		return still > 10 && !inside("(*streams).Deliver")
	}, "the answer does not fit")
	c.withdraw(t)
	if s := <-heard(ch); len(s) > window {
		t.Errorf("afterwards they hear %d bytes: %q", len(s)-window, s[window:])
	}
}

// TestLeavingWaitsForWhatWasDrawn: whoever gives a terminal back answers no more for what
// was drawn there. So that is on its way by then, or goes down with the connection.
func TestLeavingWaitsForWhatWasDrawn(t *testing.T) {
	passing, aborted := errNotRead, false
	out := newOutbox(io.Discard, io.Discard)
	go out.run()
	defer out.close()
	x := newTerminal(newInbox(), out, 0x7f, func(context.Context) error { return passing }, func() { aborted = true }, nil)
	for _, held := range []bool{true, false} {
		if aborted = false; !held {
			passing = nil
		}
		if err := x.Enter(); err != nil {
			t.Fatal(err)
		}
		if err := x.Leave(t.Context(), attach.Leaving{}); err != nil || aborted != held {
			t.Errorf("with frames that are held up (%v): %v, the connection has ended: %v", held, err, aborted)
		}
	}
}
