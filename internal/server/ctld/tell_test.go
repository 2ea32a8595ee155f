package ctld

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
)

// ends are both ends of a connection.
func ends(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var both []*net.UnixConn
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "end")
		c, err := net.FileConn(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(15 * time.Second))
		both = append(both, c.(*net.UnixConn))
	}
	return both[0], both[1]
}

// TestPass: an answer that has more room than there is goes on when it is read, and the gate is never
// held meanwhile. One that shuts keeps back what was not written.
func TestPass(t *testing.T) {
	data := bytes.Repeat([]byte("told "), 1<<18)
	var open, shut atomic.Bool
	var passed atomic.Int64
	gate := func(deliver func() error) error {
		if shut.Load() {
			return errors.New("rights have changed")
		}
		open.Store(true)
		defer open.Store(false)
		passed.Add(1)
		return deliver()
	}
	full := func(here *net.UnixConn) chan error {
		passed.Store(0)
		done := make(chan error, 1)
		go func() { done <- pass(here, data, gateway.Gate(gate)) }()
		for passed.Load() < 2 || open.Load() { // what there was room for is written
			select {
			case err := <-done:
				t.Fatalf("it does not wait for who reads: %v", err)
			case <-time.After(time.Millisecond):
			}
		}
		return done
	}
	here, there := ends(t)
	done := full(here)
	got := make([]byte, len(data))
	if _, err := io.ReadFull(there, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("who reads late has not all of it: %v", err)
	}
	if err := <-done; !errors.Is(err, errAnswered) {
		t.Errorf("all was written: %v", err)
	}

	here, there = ends(t)
	done = full(here)
	shut.Store(true)
	left := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, there)
		left <- n
	}()
	if err := <-done; !errors.Is(err, errAnswered) {
		t.Errorf("a part was written: %v", err)
	}
	_ = here.Close()
	if n := <-left; n == 0 || n >= int64(len(data)) {
		t.Errorf("%d bytes of %d came through, and the gate was shut", n, len(data))
	}

	here, _ = ends(t)
	if err := pass(here, data, gate); !errors.Is(err, errKept) {
		t.Errorf("nothing was written: %v", err)
	}
}

// TestTellDone: what has done something is not asked again where its answer is kept back.
func TestTellDone(t *testing.T) {
	shut := gateway.Gate(func(func() error) error { return errors.New("rights have changed") })
	for done, want := range map[bool]error{false: errKept, true: errKeptDone} {
		here, _ := ends(t)
		if err := tell(t.Context(), here, gateway.Result{Value: 1, Gate: shut, Done: done}); !errors.Is(err, want) {
			t.Errorf("done: %v: %v", done, err)
		}
	}
}
