package pane

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

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
		rights := unix.UnixRights(0, 1)
		if _, _, err := c.WriteMsgUnix([]byte(what), rights, nil); err != nil {
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
