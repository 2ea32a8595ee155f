package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func from(s string) source { return sourceOf(&net.TCPAddr{IP: net.ParseIP(s)}, nil) }

// Addresses that fail often wait, more and more, and not for ever; others do not,
// nor do those from where people come.
func TestPenalties(t *testing.T) {
	var p penalties
	now := time.Unix(1700000000, 0)
	bad, other := from("203.0.113.1"), from("203.0.113.2")
	for range 3 {
		p.add(bad, failCost, now)
	}
	if p.waits(bad, now) {
		t.Error("three tries are free")
	}
	p.add(bad, failCost, now)
	if !p.waits(bad, now) || p.waits(other, now) {
		t.Error("the fourth is not")
	}
	if p.waits(bad, now.Add(failCost)) {
		t.Error("it waits for long")
	}
	p.came(bad, now)
	if p.waits(bad, now) || !p.waits(bad, now.Add(knownTime)) && p.waits(bad, now.Add(knownTime-time.Second)) {
		t.Error("where people come from, they wait")
	}
	delete(p.known, bad.near)
	for range 1000 {
		p.add(bad, graceCost, now)
	}
	if !p.waits(bad, now.Add(mostCost-freeCost-time.Second)) || p.waits(bad, now.Add(mostCost)) {
		t.Error("the longest wait is another")
	}
	if !p.waits(other, now) || p.waits(from("203.0.114.1"), now) {
		t.Error("a network from which much fails does not wait, or another does")
	}
	if from("2001:db8::1") != from("2001:db8::2") || from("2001:db8::1").near == from("2001:db8:0:1::1").near || from("2001:db8::1").far != from("2001:db8:0:1::1").far {
		t.Error("the networks of version 6 are others")
	}
	for i := range maxSources + 100 {
		p.add(from(fmt.Sprintf("11.%d.%d.%d", i>>16, i>>8&0xff, i&0xff)), failCost, now)
	}
	if len(p.until) > maxSources {
		t.Errorf("%d are remembered", len(p.until))
	}
	if !p.waits(bad, now) {
		t.Error("whoever has to wait longest is forgotten first")
	}
}

// Of too many newcomers the oldest goes, of the network that has most.
func TestNewcomers(t *testing.T) {
	var n newcomers
	var ended []string
	enter := func(addr string) func() {
		return n.enter(from(addr), false, perSource, atOnce, func() { ended = append(ended, addr) })
	}
	leave := enter("198.51.100.1")
	enter("198.51.101.1")
	for i := range perSource + 2 {
		enter(fmt.Sprintf("2001:db8:0:%x::1", i))
		enter("192.0.2.1")
	}
	if !slices.Equal(ended, []string{"192.0.2.1", "192.0.2.1"}) {
		t.Errorf("of one address there went %q", ended)
	}
	ended = nil
	for i := range atOnce {
		enter(fmt.Sprintf("2001:db8:1:%x::1", i))
	}
	leave()
	if len(n.list) != atOnce-1 || slices.ContainsFunc(ended, func(s string) bool { return s[:4] == "198." }) || len(ended) == 0 {
		t.Errorf("%d are in, and there went %q", len(n.list), ended)
	}
	if i := slices.Index(ended, "2001:db8:1:1::1"); i < 0 || slices.Index(ended, "2001:db8:1:0::1") > i {
		t.Errorf("they do not go in their order: %q", ended)
	}
}

// A few newcomers from where people have come stay before all others, however many networks somebody comes from;
// where there are too many connections, there is room for those, and for root.
func TestNewcomersFromKnown(t *testing.T) {
	var n newcomers
	gone := map[string]int{}
	enter := func(addr string, known bool) {
		n.enter(from(addr), known, perSource, atOnce, func() { gone[addr]++ })
	}
	enter("203.0.113.9", false)
	for range keptOf {
		enter("198.51.100.1", true)
	}
	for range keptOf + 1 {
		enter("198.51.101.1", true)
	}
	for i := range 3 * atOnce {
		enter(fmt.Sprintf("10.%d.%d.1", i>>8, i&0xff), false)
	}
	if gone["203.0.113.9"] != 1 || gone["198.51.100.1"] != 0 || gone["198.51.101.1"] != 1 || len(n.list) != atOnce {
		t.Errorf("%d are in; of known ones there went %d and %d; of another %d", len(n.list), gone["198.51.100.1"], gone["198.51.101.1"], gone["203.0.113.9"])
	}
	for i := range 3 * atOnce { // if each is known
		enter(fmt.Sprintf("11.%d.%d.1", i>>8, i&0xff), true)
	}
	if len(n.list) != atOnce {
		t.Errorf("%d are in", len(n.list))
	}
	for _, c := range []struct {
		there int
		known bool
		uid   int64
		want  bool
	}{{connections - 1, false, -1, false}, {connections, false, 1000, true}, {connections, true, 1000, false}, {2 * connections, true, -1, true}, {2 * connections, true, 0, false}, {3 * connections, true, 0, true}} {
		if got := full(c.there, c.known, c.uid); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestKnownIsAsked: where there are too many connections, one from where people have come is let in, and root's of this host;
// and what does not come by TCP is not root's.
func TestKnownIsAsked(t *testing.T) {
	if s := sourceOf(&net.UnixAddr{}, &net.UnixAddr{}); s.near.uid != -1 || s.far.uid != -1 {
		t.Errorf("it is uid %d's", s.near.uid)
	}
	s := &Server{}
	addr := from("198.51.100.1")
	if s.known(addr, time.Now()) {
		t.Error("nobody has come from there")
	}
	s.pen.came(addr, time.Now())
	if !s.known(addr, time.Now()) || s.known(addr, time.Now().Add(knownTime)) || s.known(from("198.51.100.2"), time.Now()) {
		t.Error("it is not known from where people have come, or another is, or for too long")
	}
	addr = from("127.0.0.1")
	if addr.near.uid = 0; !s.known(addr, time.Now()) {
		t.Error("root of this host is not known")
	}
	if addr.near.uid = 1000; s.known(addr, time.Now()) {
		t.Error("another account of this host is known by nothing")
	}
	s = newBed(t, nil, 1).server
	for _, known := range []bool{false, true} {
		theirs, ours := net.Pipe()
		s.admit(t.Context(), far{ours})
		s.fresh.mu.Lock()
		if len(s.fresh.list) != 1 || s.fresh.list[0].known != known {
			t.Errorf("there are %d; it is to be known: %v", len(s.fresh.list), known)
		}
		s.fresh.mu.Unlock()
		_ = theirs.Close()
		s.wait(t)
		s.pen.came(from("198.51.100.1"), time.Now())
	}
}

// wait waits until no newcomer is there.
func (s *Server) wait(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; runtime.Gosched() {
		s.fresh.mu.Lock()
		n := len(s.fresh.list)
		s.fresh.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a newcomer that has gone stays")
		}
	}
}

// far is a connection from elsewhere.
type far struct{ net.Conn }

func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 1} }

// TestAccountsOfThisHost: of what comes from this host, each account pays for its own.
func TestAccountsOfThisHost(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		l, err := Listen(t.Context(), addr)
		if err != nil {
			tmuxtest.Skip(t, "no listener at %s: %v", addr, err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if s := sourceOf(nc.RemoteAddr(), nc.LocalAddr()); s.near.uid != int64(os.Geteuid()) || s.far.uid != s.near.uid {
			t.Errorf("at %s it is %+v", addr, s)
		}
		if s := sourceOf(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nc.LocalAddr()); s.near.uid != -1 {
			t.Errorf("a connection that is not there is %+v", s)
		}
	}
	var p penalties
	now := time.Unix(1700000000, 0)
	hers, his := from("127.0.0.1"), from("127.0.0.1")
	hers.near.uid, hers.far.uid, his.near.uid, his.far.uid = 1000, 1000, 1001, 1001
	for range 100 {
		p.add(his, graceCost, now)
	}
	if !p.waits(his, now) || p.waits(hers, now) {
		t.Error("one account pays for another")
	}
}

// TestSilentNewcomers: connections from several networks that say nothing keep
// nobody out (SS-13).
func TestSilentNewcomers(t *testing.T) {
	b := newBed(t, nil, 1)
	for i := range atOnce + 100 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%12), byte(1+i/12))}, Timeout: 10 * time.Second}
		c, err := d.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	client := b.dial(newValve(false), ssh.Config{})
	if out := <-heard(b.asks(client, "shell")); len(out) == 0 {
		t.Error("nothing is listed")
	}
	tmuxtest.Eventually(t, func() bool {
		b.server.mu.Lock()
		defer b.server.mu.Unlock()
		return len(b.server.conns) <= atOnce+1
	}, "those that are too many have ended")
}

// TestSessionsOfOnePerson: a person's sessions are bounded, on however many
// connections, since each may hold what is not read.
func TestSessionsOfOnePerson(t *testing.T) {
	b := newBed(t, nil, 1)
	open := 0
	for range perPerson {
		client := b.dial(newValve(false), ssh.Config{})
		for range maxChannels {
			if _, requests, err := client.OpenChannel("session", nil); err == nil {
				go ssh.DiscardRequests(requests)
				open++
			}
		}
	}
	if open != maxSessions {
		t.Errorf("%d sessions are open", open)
	}
}

// Whatever the log does, nobody waits for it who comes; what was turned away
// meanwhile is counted.
func TestRefusalsAreBounded(t *testing.T) {
	var r refusals
	ctx, stop := context.WithCancel(context.Background())
	began, goOn := make(chan struct{}), make(chan struct{})
	var got []access.Event
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.write(ctx, func(_ context.Context, ev access.Event) {
			if got = append(got, ev); len(got) == 1 {
				close(began)
				<-goOn
			}
		})
	}()
	r.put(access.Event{Reason: "first"})
	<-began
	for range maxRefusals + 7 {
		r.put(access.Event{})
	}
	stop()
	close(goOn)
	<-done
	if len(got) != 1+maxRefusals || got[maxRefusals].Note != "7 more connections are not told of about then" {
		t.Errorf("%d are written, the last as %+v", len(got), got[len(got)-1])
	}
}

// TestComplaintsAreSeldom: what may happen at any rate is told once a minute.
func TestComplaintsAreSeldom(t *testing.T) {
	n := 0
	s := &Server{Complain: func(string) { n++ }}
	for range 5 {
		s.starve(errors.New("x"))
	}
	if n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Whoever is slow, or stops in the middle, has a time in which to prove somebody;
// then nothing is left of them but a line in the log (SS-12).
func TestGrace(t *testing.T) {
	key, err := OpenHostKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	table, _ := identity.NewSSHKeys(nil, nil, nil, func(string) bool { return false })
	log := &told{}
	s := &Server{
		Gateway: gateway.New(gateway.Parts{Log: log}), Key: key, Grace: 300 * time.Millisecond,
		Complain: func(what string) { t.Error(what) },
		Prover:   identity.SSHProver{Keys: func() *identity.SSHKeys { return table }, Now: time.Now},
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	// A real beginning of a client, to be cut anywhere.
	kex := append([]byte("SSH-2.0-x\r\n"), 0, 0, 4, 0, 8, 20)
	kex = append(kex, make([]byte, 1<<10)...)
	var wg sync.WaitGroup
	says := func(text string) func(net.Conn) error {
		return func(c net.Conn) error { _, _ = c.Write([]byte(text)); return nil } // its time may be over
	}
	nets := byte(0)
	for name, say := range map[string]func(c net.Conn) error{
		"nothing":             says(""),
		"half a line":         says("SSH-2"),
		"a line":              says("SSH-2.0-x\r\n"),
		"half a key exchange": says(string(kex[:600])),
		"nonsense":            says(strings.Repeat("\xff", 4096)),
		"a large packet":      says("SSH-2.0-x\r\n\x00\x03\xff\xfc\x08"),
		"byte by byte": func(c net.Conn) error {
			for _, b := range kex {
				if _, err := c.Write([]byte{b}); err != nil {
					return nil // it was ended meanwhile
				}
				select {
				case <-time.After(5 * time.Millisecond):
				case <-ctx.Done():
				}
			}
			return errors.New("nobody ends it")
		},
	} {
		nets++ // one's own each: whose time is over before the next one comes would have it wait
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, nets, 1)}, Timeout: 10 * time.Second}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			if err := say(c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: nobody ends it", name)
			}
		})
	}
	wg.Wait()
	// Who is ended hears of it before it is written.
	tmuxtest.Eventually(t, func() bool { return strings.Count(log.reasons(), "nobody was proved") == 7 }, "all seven are in the log")
	cancel()
	s.Wait()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if len(s.conns) != 0 || len(s.fresh.list) != 0 {
		t.Errorf("%d connections, %d newcomers are left", len(s.conns), len(s.fresh.list))
	}
}
