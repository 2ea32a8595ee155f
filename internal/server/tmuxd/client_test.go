package tmuxd

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// introduced gives both ends of a connection on which a client has said what it wants.
func introduced(t *testing.T) (*client, *wire.Conn) {
	t.Helper()
	var ends [2]*net.UnixConn
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		nc, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = nc.(*net.UnixConn)
	}
	ours, theirs := wire.NewServer(ends[0]), wire.NewClient(ends[1], wire.Legacy)
	t.Cleanup(func() { _ = theirs.Close() })
	if err := theirs.Identify(t.Context(), &wire.Hello{Argv: []string{"display-message"}}); err != nil {
		t.Fatal(err)
	}
	hello, err := ours.Accept(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(ours, hello)
	t.Cleanup(c.close)
	return c, theirs
}

// Who says goodbye is not given what is held for the end of a command: that waits for a gate,
// which is closed once the right to it was taken back.
func TestGoodbyeGivesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, theirs := introduced(t)
	shut := errors.New("for a test")
	c.hold(func(func() error) error { return shut }, func() {})
	if err := c.Print(ctx, 1, []byte("alice's")); err != nil || !c.holds() {
		t.Fatalf("%v; held: %v", err, c.holds())
	}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		c.pump(ctx, func(error) {})
	}()
	if err := theirs.WriteMsg(ctx, &wire.Exiting{}); err != nil {
		t.Fatal(err)
	}
	m, err := theirs.ReadMsg(ctx)
	if _, ok := m.(*wire.Exited); !ok {
		t.Errorf("who says goodbye hears %#v, %v", m, err)
	}
	<-pumped
	// What is printed later goes by the gate as ever.
	if err := c.Print(ctx, 1, []byte("alice's")); err != nil || !c.holds() {
		t.Errorf("%v; held: %v", err, c.holds())
	}
	if err := c.answer(ctx, "", &wire.Exit{}); err != nil {
		t.Error(err)
	}
	for {
		m, err := theirs.ReadMsg(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := m.(*wire.Write); ok && w.Stream == 1 {
			t.Errorf("%q", w.Data)
		}
		if _, ok := m.(*wire.Exit); ok {
			break
		}
	}
}

// Who has been told how it ended, and goes, is not waited for by what they said meanwhile and nobody wants any more.
func TestLingerHearsOut(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer cancel()
	c, theirs := introduced(t)
	c.pumped = make(chan struct{})
	go func() {
		defer close(c.pumped)
		c.pump(ctx, func(error) {})
	}()
	for range 4 * cap(c.events) {
		if err := theirs.WriteMsg(ctx, &wire.Resize{}); err != nil {
			t.Fatal(err)
		}
	}
	_ = theirs.Close()
	if c.linger(ctx); ctx.Err() != nil {
		t.Error("it is waited for")
	}
}
