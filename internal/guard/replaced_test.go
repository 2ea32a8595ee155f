package guard

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// closers are hands that close doors.
type closers struct {
	Hands
	closed chan keep.Place
}

func (c closers) CloseDoor(_ context.Context, p keep.Place) error {
	c.closed <- p
	return nil
}

// listening is a socket that listens at a path, as the hands give it.
func listening(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 8)); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "door")
}

// connects connects to a path and passes a descriptor there, of which it has no other then. Nothing runs meanwhile that
// could accept it, on one processor.
func connects(t *testing.T, path string, what int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendmsg(fd, []byte("x"), unix.UnixRights(what), nil, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(what)
}

// unopened is a door whose first socket listens at path(0), and where what is replaced listens.
func unopened(t *testing.T) (d *Door, path func(n int) string, closed chan keep.Place) {
	t.Helper()
	dir := t.TempDir()
	path = func(n int) string { return filepath.Join(dir, strconv.Itoa(n)) }
	closed = make(chan keep.Place, 1)
	d = &Door{g: &Guard{hands: closers{closed: closed}, doors: map[keep.Place]*Door{}}, path: dir + "/door"}
	if err := d.listen(listening(t, path(0)), 1, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, path, closed
}

// What lies in the socket of a door that is replaced holds up nobody who waits there, though it cannot be closed.
func TestReplacedHoldsNobodyUp(t *testing.T) {
	syscall.ForkLock.RLock() // a child would have the last one
	defer syscall.ForkLock.RUnlock()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	pipes, _, _ := tmuxtest.Locked(t, 8)
	d, path, _ := unopened(t)
	came, ended := make(chan *net.UnixConn), make(chan struct{})
	go func() {
		defer close(ended)
		for c, err := d.Accept(); err == nil; c, err = d.Accept() {
			came <- c
		}
	}()
	for n, p := range pipes {
		next := listening(t, path(n+1))
		time.Sleep(time.Millisecond) // so that somebody waits in Accept, mostly
		connects(t, path(n), p)
		if err := d.listen(next, 1, false); err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", path(n+1))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for here := false; !here; {
			select {
			case at := <-came:
				here = at.LocalAddr().String() == path(n+1)
				go at.Close() // in that of before p may lie
			case <-time.After(tmuxtest.Patience):
				t.Fatalf("nobody accepts what has come the %dth time", n+1)
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(tmuxtest.Patience):
		t.Error("who waits does not hear that it is closed")
	}
}

// A door that is replaced again and again, while what lies there cannot be closed, is closed: no more of muxward is taken.
func TestReplacedIsBounded(t *testing.T) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pipes, free, gone := tmuxtest.Locked(t, maxHanging+1)
	d, path, closed := unopened(t)
	for n, p := range pipes {
		next := listening(t, path(n+1))
		connects(t, path(n), p)
		err := d.listen(next, 1, false)
		if n < maxHanging && err != nil {
			t.Fatal(err)
		}
		if n == maxHanging && (err == nil || !strings.Contains(err.Error(), "is closed")) {
			t.Errorf("it is replaced for the %dth time: %v", n+1, err)
		}
	}
	select {
	case <-closed:
	case <-time.After(tmuxtest.Patience):
		t.Error("the hands go on putting it back")
	}
	if _, err := d.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("who waits there: %v", err)
	}
	for n := range maxHanging + 2 {
		if c, err := net.Dial("unix", path(n)); err == nil {
			_ = c.Close()
			t.Errorf("one can come to the %dth one", n+1)
		}
	}
	if gone() {
		t.Error("they let themselves be closed: this shows nothing")
	}
	free()
	tmuxtest.Eventually(t, gone, "all are closed")
	tmuxtest.Eventually(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.hanging == 0 }, "none is counted")
}

// A socket that comes for a door that is closed holds up nothing else that the hands tell.
func TestReplacedBehindItsEnd(t *testing.T) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pipes, free, gone := tmuxtest.Locked(t, 1)
	path := filepath.Join(t.TempDir(), "s")
	l := listening(t, path)
	connects(t, path, pipes[0])
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		(&Guard{}).happened(keep.Event{Kind: keep.EventReplaced, Listen: l})
	}()
	select {
	case <-heard:
	case <-time.After(tmuxtest.Patience):
		t.Error("nothing else is heard")
	}
	if gone() {
		t.Error("it lets itself be closed: this shows nothing")
	}
	free()
	tmuxtest.Eventually(t, gone, "it is closed")
}
