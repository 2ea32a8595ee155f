package wire

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestLingering: a server passes what does not let itself be closed, and whoever reads from it hears at once that it
// may not; and what lies in a connection of either side holds nobody up who closes it.
func TestLingering(t *testing.T) {
	send := func(fd int, n int) {
		t.Helper()
		b, err := AppendMessage(nil, Legacy, &Ready{})
		if err != nil {
			t.Fatal(err)
		}
		fds := make([]int, n)
		for i := range fds {
			fds[i], _ = tmuxtest.Lingering(t)
			defer passed.Shut(fds[i]) // theirs is the last one, or it may be closed as well
		}
		if err := unix.Sendmsg(fd, b, unix.UnixRights(fds...), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := socketPair(t)
	raw, err := theirs.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { send(int(fd), 24) })
	c := NewClient(ours, Legacy)
	if _, err := c.ReadMsg(testContext(t)); !errors.As(err, new(*ProtocolError)) {
		t.Errorf("it is read: %v", err)
	}
	ends := func(what string, c *Conn) {
		t.Helper()
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Close() }()
		select {
		case <-done:
		case <-testContext(t).Done():
			t.Errorf("a %s does not let itself be closed", what)
		}
	}
	ends("client that has read", c)
	for what, of := range map[string]Side{"client": ClientSide, "server": ServerSide} {
		ours, theirs := socketPair(t)
		raw, err := theirs.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { send(int(fd), 3) })
		ends(what, newConn(ours, of))
	}
}
