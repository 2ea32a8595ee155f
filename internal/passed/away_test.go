package passed_test

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// ends fails unless f comes back.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(tmuxtest.Patience):
		t.Errorf("%s does not end", what)
	}
}

// pair is a socket in which n descriptors lie that do not let themselves be closed, and its other end.
func pair(t *testing.T, n int) [2]int {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		fd, _ := tmuxtest.Lingering(t)
		if err := unix.Sendmsg(fds[1], []byte("x"), unix.UnixRights(fd), nil, 0); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd) // it is not the last one
	}
	return fds
}

// TestShut: what was passed is closed in any case, also what lies in what was passed.
func TestShut(t *testing.T) {
	fd, _ := tmuxtest.Lingering(t)
	ends(t, "a connection that lingers", func() { passed.Shut(fd) })
	of := pair(t, 3)
	ends(t, "a socket with such connections", func() { passed.Shut(of[0]) })
	_ = unix.Close(of[1])
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	fd, err = unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	passed.Shut(fd)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("a file is open still: %v", err)
	}
}

// TestPut: a connection in which such things lie holds nobody up who puts it away, and more of them than there
// are turns are gone in the end.
func TestPut(t *testing.T) {
	var away passed.Away
	var theirs []int
	for range 80 {
		of := pair(t, 1)
		theirs = append(theirs, of[1])
		f := os.NewFile(uintptr(of[0]), "")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		ends(t, "to put it away", func() { away.Put(c) })
	}
	for _, fd := range theirs {
		ends(t, "a connection that was put away", func() { _, _ = unix.Read(fd, make([]byte, 1)) })
		_ = unix.Close(fd)
	}
}

// TestFree: who reads a message with no room for what lies in it comes back when all threads are sent a signal.
func TestFree(t *testing.T) {
	of := pair(t, 1)
	f := os.NewFile(uintptr(of[0]), "")
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	done := make(chan struct{})
	ends(t, "to read it", func() {
		defer close(done)
		go passed.FreeUntil(done)
		_, _ = io.ReadFull(c, make([]byte, 1))
	})
	_ = unix.Close(of[1])
	_ = c.Close()
}

// TestListen: where the kernel can have it so, nothing is passed to a socket of ours.
func TestListen(t *testing.T) {
	dir, err := os.MkdirTemp("", "mwp")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := passed.Listen(dir + "/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: dir + "/s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _, err = c.WriteMsgUnix([]byte("x"), unix.UnixRights(0), nil)
	raw, rerr := c.SyscallConn()
	if rerr != nil {
		t.Fatal(rerr)
	}
	_ = raw.Control(func(fd uintptr) {
		if _, no := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS); no == nil && err == nil {
			t.Error("it is passed")
		}
	})
}

type waits chan struct{}

func (w waits) Close() error { <-w; return nil }

// Who lets connections in hears when as many wait as are put away at a time, and when that is over.
func TestAwayIsFull(t *testing.T) {
	const most = 128 // twice what is put away at a time
	var a passed.Away
	end := make(waits)
	for n := range most {
		if a.Full() {
			t.Fatalf("it is full of %d", n)
		}
		a.Put(end)
	}
	if !a.Full() {
		t.Error("it is never full")
	}
	close(end)
	for a.Full() {
		time.Sleep(time.Millisecond)
	}
}
