package ctld

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestInTurn: where as many wait at the door as may, one more waits for their turn, and for no longer than they want.
func TestInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	full := func() {
		t.Helper()
		for {
			c, err := net.Dial("unix", path)
			if errors.Is(err, unix.EAGAIN) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	full()
	short, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() { // their time is over once they wait
		for !inside("ctld.inTurn") && short.Err() == nil {
			runtime.Gosched()
		}
		cancel(context.DeadlineExceeded)
	}()
	err = Call{Act: "status"}.Do(short, path, nil)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "too many wait there") {
		t.Errorf("with little time: %v", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := queue(left, path); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: %v", err)
	}
	_, err = inTurn(path, time.Now().Add(time.Millisecond))
	if !errors.Is(err, unix.EAGAIN) || !strings.Contains(unreached(path, err).Error(), "too many wait there") {
		t.Errorf("not let in in time: %v", unreached(path, err))
	}
	done := make(chan error, 1)
	go func() {
		c, err := dial(soon(t), path)
		if err == nil {
			err = c.Close()
		}
		done <- err
	}()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for { // somebody is let in, until it has had its turn
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("in their turn: %v", err)
			}
			return
		case <-time.After(time.Millisecond):
		}
		if c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC); err == nil {
			_ = unix.Close(c)
		}
	}
}

// inside reports whether a goroutine is in a function now.
func inside(function string) bool {
	buf := make([]byte, 1<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), function+"(")
}
