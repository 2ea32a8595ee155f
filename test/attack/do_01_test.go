package attack

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/test/host"
)

// Mallory opens connections from many addresses, as fast as she can, and says nothing on
// any of them, so that nobody else gets in and muxward has no memory left. Of those
// that have proved nobody few are kept, and people get in meanwhile. (The tmux door:
// DO-02.)
func TestDO01SilentConnections(t *testing.T) {
	row{ssh: true, teeth: "teeth_ssh", unlogged: true, attack: func(w *world) {
		before := w.measure()
		var flood sync.WaitGroup
		var open []net.Conn
		flood.Go(func() {
			for n := range soak.N(10_000, 600) {
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(1000 + n%8000))}, Timeout: 10 * time.Second}
				if c, err := d.Dial("tcp", w.SSHAddr()); err == nil {
					open = append(open, c)
				}
			}
		})
		var took []time.Duration
		for range soak.N(100, 20) {
			began := time.Now()
			c, err := w.dialSSH(viewer, 900)
			if err != nil {
				t.Fatalf("bob does not get in: %v", err)
			}
			took = append(took, time.Since(began))
			_ = c.Close()
		}
		flood.Wait()
		if slices.Sort(took); took[len(took)*99/100] > host.Bounded(time.Second) {
			t.Errorf("bob's logins took %v", took)
		}
		kept := 0
		w.soon(func() bool {
			kept = stillOpen(open)
			return kept <= 256
		})
		if kept > 256 {
			w.gain("%d connections that say nothing are kept", kept)
		}
		if grown := w.measure().rss - before.rss; !w.control && grown > 32<<10 {
			t.Errorf("memory has grown by %d KiB for %d connections", grown, len(open))
		}
		for _, c := range open {
			_ = c.Close()
		}
	}}.run(t)
}

// stillOpen counts the connections that the other end has not closed.
func stillOpen(all []net.Conn) (n int) {
	buf := make([]byte, 256)
	for _, c := range all {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			continue
		}
		open := false
		_ = raw.Control(func(fd uintptr) { // one that was closed here has no descriptor, and is not open
			for err == nil { // the greeting first
				var k int
				if k, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT); err == nil && k == 0 {
					return
				}
			}
			open = errors.Is(err, unix.EAGAIN)
		})
		if open {
			n++
		}
	}
	return n
}
