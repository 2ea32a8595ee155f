package sshd

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/wire"
)

// In control mode standard input has the client's lines. A command that reads it gets none
// of them: what is left of one would be run as a command.
func TestLinesAreReadByOne(t *testing.T) {
	c := &client{files: make(chan wire.Message, 1), gone: make(chan struct{})}
	c.hello.Flags |= wire.FlagControl
	if err := c.Send(t.Context(), &wire.ReadOpen{Stream: 3, FD: 0}); err != nil {
		t.Fatal(err)
	}
	m, is := (<-c.Files()).(*wire.ReadDone)
	if !is || m.Stream != 3 || m.Error != int32(unix.EBADF) {
		t.Errorf("%+v", m)
	}
	if c.reading {
		t.Error("somebody else reads the lines")
	}
}

// What a command prints for somebody in control mode is held while they do not read, so it
// is bounded here more narrowly than elsewhere.
func TestPrintedIsBounded(t *testing.T) {
	b := newBed(t, nil, 1)
	b.print = maxPrinted + 7
	client := b.dial(newValve(false), ssh.Config{})
	ch := b.session(client)
	_, _ = ch.SendRequest("exec", false, ssh.Marshal(struct{ Line string }{"tmux -C list-sessions"}))
	if s := <-heard(ch); len(s) > 1<<10 || !strings.Contains(s, "printed more than") {
		t.Errorf("they hear %d bytes: %.200q", len(s), s)
	}
}
