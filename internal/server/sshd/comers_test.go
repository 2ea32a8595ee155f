package sshd

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestComersFlood: who comes to a listener again and again has proved nothing, and gets few
// records: with the request of whose listener it is, and the sum leaves nobody out. Who fails to
// come in meanwhile is in the log.
func TestComersFlood(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	c := b.dial(newValve(false), ssh.Config{})
	l, err := c.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const tries = 400
	took := make(chan int)
	go func() {
		n := 0
		for ; n < tries; n++ {
			x, err := l.Accept()
			if err != nil {
				break
			}
			_ = x.Close()
		}
		took <- n
	}()
	for range tries {
		x, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = x.Read(make([]byte, 1)) // until it was taken: a place is free again
		_ = x.Close()
	}
	if n := <-took; n != tries {
		t.Fatalf("%d of %d came", n, tries)
	}
	_, err = ssh.Dial("tcp", b.addr, &ssh.ClientConfig{User: "x", Auth: []ssh.AuthMethod{ssh.PublicKeys(newSigner(t))}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err == nil {
		t.Fatal("a stranger was let in")
	}
	_ = c.Close()
	tmuxtest.Eventually(t, func() bool { return b.wrote(access.EventOutcome) }, "the listener ends")
	b.mu.Lock()
	defer b.mu.Unlock()
	records, came, failed := 0, 0, false
	for _, ev := range b.events {
		switch {
		case strings.Contains(ev.Note, "what listens at"):
			records++
			if ev.Request == 0 || ev.Person != "alice" {
				t.Errorf("it is with no request: %+v", ev)
			}
			for part := range strings.SplitSeq(ev.Note, "; ") {
				n := 1 // one by itself
				_, _ = fmt.Sscan(part, &n)
				came += n
			}
		case ev.Kind == access.EventDoor && !ev.Allowed:
			failed = true
		}
	}
	if records > 100 || came != tries { // 8, and 2 a second
		t.Errorf("%d records of %d who came, of %d", records, came, tries)
	}
	if !failed {
		t.Error("who failed to come in is not in the log")
	}
}

// TestComersTake: what is told of by itself, and the sum with its addresses.
func TestComersTake(t *testing.T) {
	one := true
	s := &comers{name: "X", news: make(chan struct{}, 1), told: func() bool { return one }}
	at := func(i int) net.Conn {
		return comer{addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 9))}
	}
	s.came(at(1))
	one = false
	for i := range 12 {
		s.came(at(2 + i/2%2))
	}
	if got := s.take(false); len(got) != 1 || got[0] != "somebody from 192.0.2.1:9 is connected to what listens at X" {
		t.Errorf("%q", got)
	}
	if got := s.take(true); len(got) != 1 || got[0] != "12 more were connected to what listens at X, from 192.0.2.2, 192.0.2.3" {
		t.Errorf("%q", got)
	}
	for i := range 20 {
		s.came(at(i))
	}
	if got := s.take(true); len(got) != 1 || !strings.HasSuffix(got[0], "192.0.2.7 and perhaps others") {
		t.Errorf("%q", got)
	}
	if got := s.take(true); len(got) != 0 {
		t.Errorf("told again: %q", got)
	}
}

type comer struct {
	net.Conn
	addr net.Addr
}

func (c comer) RemoteAddr() net.Addr { return c.addr }
