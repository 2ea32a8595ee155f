package attack

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/soak"
)

// Bob has a key and a client of his own making. He opens more sessions than anybody
// needs, and asks for what is not offered without end. His connection bears that or ends;
// nobody else notices.
func TestSS11Channels(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh", attack: func(w *world) {
		w.manySessions()
		w.manyRefusals()
	}}.run(t)
}

func (w *world) manySessions() {
	c, err := w.dialSSH(viewer, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	open := 0
	for range 40 {
		if _, requests, err := c.OpenChannel("session", nil); err == nil {
			go ssh.DiscardRequests(requests)
			open++
		}
	}
	if open > 10 {
		w.gain("%d sessions on one connection", open)
	}
	if open < 10 && !w.control {
		w.t.Errorf("only %d sessions", open)
	}
	_ = c.Close()
}

func (w *world) manyRefusals() {
	c, err := w.dialSSH(viewer, 2)
	if err != nil {
		w.t.Fatal(err)
	}
	var n atomic.Int64
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for n.Load() < int64(soak.N(100_000, 2000)) {
			if _, _, err := c.OpenChannel("direct-tcpip", make([]byte, 100)); err != nil {
				if _, refused := err.(*ssh.OpenChannelError); !refused {
					return // the connection ended
				}
			}
			n.Add(1)
		}
	}()
	// The client's library waits for ever for an answer that it asks for just as the
	// connection ends.
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	select {
	case <-asked:
	case <-ended:
	}
	if n := n.Load(); n > 1000 {
		w.gain("%d channels were refused one after the other", n)
	}
	_ = c.Close()
}

// Mallory has no key. She opens connections and says nothing, or too much, and tries
// keys that she does not have, again and again. What has proved nobody is bounded, of
// one address and all together, and whoever fails often has to wait; people who come
// from elsewhere do not.
func TestSS13BeforeTheProof(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh", unlogged: true, attack: func(w *world) {
		silent, kept := w.silentSSH(soak.N(10_000, 200))
		if kept > 100 {
			w.gain("%d connections of one address that say nothing", kept)
		}
		swift(t, "a login from elsewhere", func() {
			if r := w.SSH(viewer, "-b", loopback(900), "x@127.0.0.1", "ls"); r.Code != 0 {
				t.Errorf("bob: %+v", r)
			}
		})
		for _, c := range silent {
			_ = c.Close()
		}
		reached, began := 0, time.Now()
		for range 20 {
			c, err := w.dialSSHAs(w.stray(), 400)
			if err == nil {
				_ = c.Close()
				w.gain("a key of nobody let her in")
			}
			if err != nil && reachedKeys(err) {
				reached++
			}
		}
		most := 8 + int(time.Since(began)/(5*time.Second)) // where all is slow some of what they cost is over
		if reached > most {
			w.gain("%d tries of 20 got as far as the keys, and %d may", reached, most)
		}
		if reached == 0 {
			t.Error("no try got as far as the keys")
		}
		if n := w.babbleSSH(500); n >= 8<<20 {
			w.gain("%d bytes were heard of somebody unknown", n)
		}
		swift(t, "a login from elsewhere", func() {
			if r := w.SSH(viewer, "-b", loopback(900), "x@127.0.0.1", "ls"); r.Code != 0 {
				t.Errorf("bob: %+v", r)
			}
		})
	}}.run(t)
}

// silentSSH opens connections that say nothing, and counts those that stay.
func (w *world) silentSSH(n int) (open []net.Conn, kept int) {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(300))}, Timeout: 10 * time.Second}
	for range n {
		c, err := d.Dial("tcp", w.SSHAddr())
		if err != nil {
			continue
		}
		w.t.Cleanup(func() { _ = c.Close() })
		open = append(open, c)
	}
	// Those that have to make room are closed; the others are greeted and then wait.
	w.soon(func() bool {
		kept = stillOpen(open)
		return kept <= 100
	})
	return open, kept
}

// babbleSSH says the client's first line and then goes on without end.
func (w *world) babbleSSH(n int) (heard int) {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(n))}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", w.SSHAddr())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = fmt.Fprintf(c, "SSH-2.0-x\r\n")
	// A packet that is padded as it likes, but for its length.
	packet := make([]byte, 1<<10)
	copy(packet, []byte{0, 0, 3, 252, 4, 2}) // SSH_MSG_IGNORE
	for heard < 8<<20 {
		k, err := c.Write(packet)
		heard += k
		if err != nil {
			break
		}
	}
	return heard
}
