package attack

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// Mallory begins to speak and does not go on as she should: a byte now and then, half a
// first line, a packet of impossible length, garbage. She hopes that what waits for her
// is without bound, that something waits for ever, or that keys are exchanged in the way
// that lets messages be taken out. Few of hers are kept, what cannot be right ends at
// once, and people get in.
func TestSS12OddBeginnings(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh", unlogged: true, attack: func(w *world) {
		const hello = "SSH-2.0-x\r\n"
		kinds := map[string]struct {
			say  string
			more time.Duration // between bytes that follow; 0 for none
			ends bool
		}{
			"half a line":       {"SSH-2.0-", 0, false},
			"a byte at a time":  {hello + "\x00\x00\x01\x2c\x06\x14", 50 * time.Millisecond, false},
			"256 KiB at once":   {hello + "\x00\x04\x00\x01\x06\x14", 0, true},
			"a packet of 4 GiB": {hello + "\xff\xff\xff\xff\x06\x14", 0, true},
			"another version":   {"SSH-1.5-x\r\n", 0, false},
			"no ssh at all":     {"GET / HTTP/1.1\r\n\r\n" + string(make([]byte, 4096)), 0, true},
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var open []net.Conn
		address := 300
		for what, k := range kinds {
			from := 300 // those that wait, together
			if k.ends { // who fails often has to wait, and would not be heard
				address++
				from = address
			}
			var same []net.Conn
			for range soak.N(1000, 20) {
				c := w.dialFrom(from)
				same = append(same, c)
				_, _ = c.Write([]byte(k.say)) // it may have been made room for already
				if k.more == 0 {
					continue
				}
				wg.Go(func() {
					for tick := time.NewTicker(k.more); ; {
						select {
						case <-tick.C:
							_, _ = c.Write([]byte{0})
						case <-stop:
							tick.Stop()
							return
						}
					}
				})
			}
			if k.ends && !w.soon(func() bool { return stillOpen(same) == 0 }) {
				w.gain("%s: %d connections wait for more", what, stillOpen(same))
			}
			open = append(open, same...)
		}
		kept := 0
		w.soon(func() bool {
			kept = stillOpen(open)
			return kept <= 32
		})
		if kept > 32 {
			w.gain("%d connections of one address are kept", kept)
		}
		swift(t, "a login from elsewhere", func() {
			c, err := w.dialSSH(viewer, 900)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		})
		if said := w.firstPacket(); !bytes.Contains(said, []byte("kex-strict-s-v00@openssh.com")) {
			w.gain("keys may be exchanged in the old way: %q", said)
		}
		close(stop)
		wg.Wait()
		for _, c := range open {
			_ = c.Close()
		}
	}}.run(t)
}

// dialFrom opens a connection to the SSH door from an address.
func (w *world) dialFrom(n int) net.Conn {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(n))}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", w.SSHAddr())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// firstPacket is what the door says at first, unencrypted.
func (w *world) firstPacket() (said []byte) {
	w.t.Helper()
	c := w.dialFrom(901)
	defer c.Close()
	_, _ = c.Write([]byte("SSH-2.0-x\r\n"))
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 4096)
	for !bytes.Contains(said, []byte("kex-strict")) {
		n, err := c.Read(buf)
		if said = append(said, buf[:n]...); err != nil {
			break
		}
	}
	return said
}
