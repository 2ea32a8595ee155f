package sshd

import (
	"testing"

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
