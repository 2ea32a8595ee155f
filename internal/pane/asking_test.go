package pane

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func asker(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Who asks is who the kernel says; what they send with it beside is not taken in, and what
// is no request is refused.
func TestAsking(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		l.Serve(ctx, wg.Go, func(a *Asking) {
			r, err := a.Request()
			switch {
			case err != nil:
				a.Refuse(err.Error())
			case a.PID != os.Getpid() || a.UID != uint32(os.Getuid()) || a.Ended():
				t.Errorf("%d, uid %d", a.PID, a.UID)
			default:
				a.Refuse("asked for " + r.Command)
			}
		})
	}()
	good := Request{Term: "tmux", Pane: "%1", Session: "3", Command: "top"}.Encode()
	for what, want := range map[string]string{string(good): "asked for top", "x": "another form", strings.Repeat("x", MaxRequest+1): "more than"} {
		c := asker(t, path)
		_, _, err := c.WriteMsgUnix([]byte(what), unix.UnixRights(0, 1), nil)
		if errors.Is(err, unix.EPERM) { // from Linux 6.16 on none can be passed
			_, err = c.Write([]byte(what))
		}
		if err != nil {
			t.Fatal(err)
		}
		if a, err := answer(c, askTime); err != nil || !strings.Contains(a.Refused, want) {
			t.Errorf("%.20q: %+v, %v", what, a, err)
		}
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err != nil || len(fds) > 40 {
		t.Errorf("%d descriptors are open, %v", len(fds), err)
	}
	// More than are heard at once, and none of them says anything.
	for range maxAsking + 8 {
		asker(t, path)
	}
	cancel()
	<-served // else the test never ends
	wg.Wait()
}

// lingering gives a TCP connection that whoever closes last has to wait for.
func lingering(t *testing.T) int {
	t.Helper()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(l, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	at, _ := unix.Getsockname(l)
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(c, at); err != nil {
		t.Fatal(err)
	}
	peer, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC) // nothing of it is ever read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(peer) }) // which ends the wait
	for err == nil {
		err = unix.Sendto(c, make([]byte, 1<<16), unix.MSG_DONTWAIT, nil)
	}
	if err := unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1000}); err != nil {
		t.Fatal(err)
	}
	return c
}

// pass sends a descriptor, and closes it here: the last one to have it is who is asked.
func pass(t *testing.T, c *net.UnixConn, fd int) error {
	t.Helper()
	_, _, err := c.WriteMsgUnix([]byte("x"), unix.UnixRights(fd), nil)
	if err != nil {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	}
	_ = unix.Close(fd)
	return err
}

// Where the kernel can have it so, nothing can be passed to us.
func TestNothingPassed(t *testing.T) {
	l, err := Listen(t.TempDir() + "/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := asker(t, l.l.Addr().String())
	err = pass(t, c, lingering(t))
	if raw, errRaw := l.l.SyscallConn(); errRaw == nil {
		_ = raw.Control(func(fd uintptr) {
			if _, errOpt := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS); errOpt == nil && !errors.Is(err, unix.EPERM) {
				t.Errorf("it is passed: %v", err)
			}
		})
	}
}

// Where it cannot, what is passed and does not let itself be closed holds up neither who
// asks beside it, nor our end.
func TestPassedHangs(t *testing.T) {
	l, err := listen(t.TempDir()+"/s", 1)
	if err != nil {
		t.Fatal(err)
	}
	path := l.l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		l.Serve(ctx, wg.Go, func(a *Asking) {
			r, err := a.Request()
			if err != nil {
				a.Refuse(err.Error())
				return
			}
			a.Refuse("asked for " + r.Command)
		})
	})
	for range 4 {
		if err := pass(t, asker(t, path), lingering(t)); err != nil {
			t.Fatal(err)
		}
	}
	c := asker(t, path)
	if _, err := c.Write(Request{Term: "tmux", Pane: "%1", Session: "3", Command: "top"}.Encode()); err != nil {
		t.Fatal(err)
	}
	if a, err := answer(c, askTime); err != nil || a.Refused != "asked for top" {
		t.Errorf("%+v, %v", a, err)
	}
	cancel()
	done := make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	select {
	case <-done:
	case <-time.After(2 * askTime): // a limit, and no measure
		t.Error("it does not end")
	}
}

// After a burst they come in no more than so often.
func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBucket(now.Add(-time.Hour))
	for i := range maxBurst {
		if d := b.take(now); d != 0 {
			t.Fatalf("%d: %v", i, d)
		}
	}
	if d := b.take(now); d != askPeriod {
		t.Errorf("%v", d)
	}
	if d := b.take(now.Add(10 * askPeriod)); d != 0 {
		t.Errorf("%v", d)
	}
}
