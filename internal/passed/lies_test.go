package passed_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// ours makes a connection of one end, to which something may have been passed.
func ours(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "")
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	return c.(*net.UnixConn)
}

// TestPutHangs: there is more that does not let itself be closed whatever is done than there are turns. Who puts
// it away waits for none of it, and what carries nothing is gone at once all the same. In the end all is gone.
func TestPutHangs(t *testing.T) {
	var away passed.Away
	pipes, free, gone := tmuxtest.Locked(t, 80)
	var theirs []int
	for i, p := range pipes {
		flags := 0
		if i%2 == 0 { // where it is not seen by who looks
			flags = unix.MSG_OOB
		}
		of := pair(t, 0)
		theirs = append(theirs, of[1])
		if err := unix.Sendmsg(of[1], []byte("x"), unix.UnixRights(p), nil, flags); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(p) // it is not the last one
		c := ours(t, of[0])
		ends(t, "to put it away", func() { away.Put(c) })
	}
	of := pair(t, 0)
	if _, err := unix.Write(of[1], make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	away.Put(ours(t, of[0]))
	ends(t, "a connection that carries nothing", func() {
		for left := 1; left > 0; time.Sleep(time.Millisecond) {
			left, _ = unix.IoctlGetInt(of[1], unix.SIOCOUTQ)
		}
	})
	_ = unix.Close(of[1])
	if gone() {
		t.Error("they let themselves be closed: this shows nothing")
	}
	if n := closing(t); n > 64 {
		t.Errorf("%d threads wait", n)
	}
	free()
	tmuxtest.Eventually(t, gone, "all are closed")
	for _, fd := range theirs {
		_ = unix.Close(fd)
	}
}

// TestQuit: whoever has connected to what fills the connection waits for nothing, nor who closes a listener at which
// such ones wait to be accepted.
func TestQuit(t *testing.T) {
	pipes, free, gone := tmuxtest.Locked(t, 2)
	of := pair(t, 0)
	defer unix.Close(of[1])
	send := func(fd, what int) {
		t.Helper()
		if err := unix.Sendmsg(fd, []byte("x"), unix.UnixRights(what), nil, 0); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(what)
	}
	send(of[1], pipes[0])
	ends(t, "to quit", func() { passed.Quit(of[0]) })
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { send(int(fd), pipes[1]) })
	ends(t, "to close a listener", func() { new(passed.Away).Put(l) })
	if gone() {
		t.Error("they let themselves be closed: this shows nothing")
	}
	free()
	tmuxtest.Eventually(t, gone, "all are closed")
	a, b := pair(t, 0), pair(t, 0)
	passed.Quit(a[0])
	for _, fd := range []int{a[1], b[0], b[1]} {
		_ = unix.Close(fd)
	}
	if _, err := unix.FcntlInt(uintptr(a[0]), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("a connection with nothing in it is open still: %v", err)
	}
}

// closing counts the threads that close something.
func closing(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/task/*/syscall")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		call, _ := os.ReadFile(f) // a thread that has ended has none
		if strings.HasPrefix(string(call), fmt.Sprintf("%d ", unix.SYS_CLOSE)) {
			n++
		}
	}
	return n
}

// TestReader: what comes is read, up to what comes with a descriptor: that is nobody's, and holds nobody up.
func TestReader(t *testing.T) {
	for what, flags := range map[string]int{"in line": 0, "out of band": unix.MSG_OOB} {
		pipes, _, _ := tmuxtest.Locked(t, 1)
		of := pair(t, 0)
		defer unix.Close(of[1])
		c := ours(t, of[0])
		defer func() { ends(t, "to put it away", func() { new(passed.Away).Put(c) }) }()
		r := passed.Reader(c)
		if _, err := unix.Write(of[1], []byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 16)
		if n, err := r.Read(b); err != nil || string(b[:n]) != "hello" {
			t.Errorf("%q, %v", b[:n], err)
		}
		if err := unix.Sendmsg(of[1], []byte("x"), unix.UnixRights(pipes[0]), nil, flags); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(pipes[0])
		if err := unix.Sendmsg(of[1], []byte("more"), nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		ends(t, "to read "+what, func() {
			if n, err := r.Read(b); n > 0 || !errors.Is(err, passed.ErrPassed) {
				t.Errorf("%s: %q, %v", what, b[:n], err)
			}
		})
	}
	of := pair(t, 0)
	c := ours(t, of[0])
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := passed.Reader(c).Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing comes: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	_ = unix.Close(of[1])
	if _, err := passed.Reader(c).Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end is closed: %v", err)
	}
}
