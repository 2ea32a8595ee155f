package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// word is a second factor that is a word, the same for everybody.
type word string

func (w word) Of(string) string { return "w" }

func (w word) Ask(_ string, challenge ssh.KeyboardInteractiveChallenge) error {
	answers, err := challenge("", "", []string{"Word: "}, []bool{false})
	if err == nil && answers[0] != string(w) {
		err = errors.New("the word is wrong")
	}
	return err
}

// dialFrom connects from an address.
func (b *bed) dialFrom(addr string) net.Conn {
	b.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: 10 * time.Second}
	nc, err := d.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// askedFrom has somebody prove alice's key from an address and answer with what say
// gives, and gives how that went.
func (b *bed) askedFrom(addr string, say func() string) <-chan error {
	b.t.Helper()
	nc := b.dialFrom(addr)
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		return []string{say()}, nil
	}
	done := make(chan error, 1)
	go func() {
		c, channels, requests, err := ssh.NewClientConn(nc, b.addr, &ssh.ClientConfig{User: "x", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			Auth: []ssh.AuthMethod{ssh.PublicKeys(b.key), ssh.RetryableAuthMethod(ssh.KeyboardInteractive(answer), 2)}})
		done <- err
		if err == nil {
			_ = ssh.NewClient(c, channels, requests).Close()
		}
	}()
	return done
}

// silentFrom is askedFrom of somebody who does not answer until the test ends.
func (b *bed) silentFrom(addr string, until <-chan string) <-chan error {
	b.t.Helper()
	asked := make(chan bool, 1)
	done := b.askedFrom(addr, func() string {
		asked <- true
		return <-until
	})
	within(b.t, asked, "the question")
	return done
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case x := <-c:
		return x
	case <-time.After(tmuxtest.Patience):
		t.Fatalf("%s does not come", what)
		panic("unreachable")
	}
}

// refused waits until so many refusals of alice are in the log, for a reason.
func (b *bed) refused(n int, reason string) {
	b.t.Helper()
	tmuxtest.Eventually(b.t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		found := 0
		for _, e := range b.events {
			if e.Person == "alice" && !e.Allowed && strings.Contains(e.Reason, reason) {
				found++
			}
		}
		return found == n
	}, "the log has each of them, and whose key it was")
}

// pays reports whether an address has to pay for anything.
func (b *bed) pays() bool {
	b.server.pen.mu.Lock()
	defer b.server.pen.mu.Unlock()
	return len(b.server.pen.until) > 0
}

// TestAskedMakeRoom: who holds a person's key and never answers keeps nobody out who comes
// with it from elsewhere, neither those who come later nor those who look for their
// code meanwhile.
func TestAskedMakeRoom(t *testing.T) {
	b := newBed(t, nil, 1, func(s *Server) { s.Prover.Second = word("yes") })
	never, hers := make(chan string), make(chan string)
	t.Cleanup(func() { close(never) })
	looks := b.silentFrom("127.0.9.2", hers)
	for range 2 * maxAsked {
		b.silentFrom("127.0.0.3", never)
	}
	b.refused(2*maxAsked-maxAskedFrom, errAskedAgain.Error())
	if err := within(t, b.askedFrom("127.0.0.4", func() string { return "yes" }), "who comes later"); err != nil {
		t.Errorf("who comes later: %v", err)
	}
	for i := range 2 * maxAsked { // and from many addresses of another network
		b.silentFrom(fmt.Sprintf("127.0.1.%d", 1+i), never)
	}
	hers <- "yes"
	if err := within(t, looks, "who looked for it"); err != nil {
		t.Errorf("who looked for it: %v", err)
	}
	if b.pays() {
		t.Errorf("addresses have to pay: %v", b.server.pen.until)
	}
}

// TestProvedKeysAreSpared: who has proved a key and fails then costs their address
// nothing, unless they do so without end. The log has who it was.
func TestProvedKeysAreSpared(t *testing.T) {
	b := newBed(t, nil, 1, func(s *Server) { s.Prover.Second = word("yes") })
	fails := func() {
		t.Helper()
		if err := within(t, b.askedFrom("127.0.0.2", func() string { return "no" }), "an answer"); err == nil {
			t.Fatal("a wrong word is taken")
		}
	}
	for range 5 {
		fails()
	}
	b.refused(5, "the word is wrong")
	if b.pays() {
		t.Error("the address has to pay")
	}
	without := spared()
	without.Longest = time.Hour
	b.server.spare.Take(without, "alice 127.0.0.2/32", 2*atOneGo, time.Now())
	fails()
	b.refused(6, "the word is wrong")
	if !b.pays() {
		t.Error("it never pays")
	}
	wrong := true
	say := func() string {
		if wrong {
			wrong = false
			return "no"
		}
		return "yes"
	}
	if err := within(t, b.askedFrom("127.0.0.3", say), "who is wrong once"); err != nil {
		t.Errorf("who is wrong once: %v", err)
	}
	tmuxtest.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.events {
			if e.Person == "alice" && e.Allowed && strings.Contains(e.Note, "not taken before: 1") {
				return true
			}
		}
		return false
	}, "the log has what was not taken before")
}

// behindKeys has alice prove a password behind her key, as long as on is true.
func behindKeys(asked *atomic.Int32, on *atomic.Bool) func(*Server) {
	return func(s *Server) {
		passwords(asked)(s)
		p := s.Prover.Passwords
		rules := p.Rules()
		rules.BehindKey = func(person string) bool { return person == "alice" && on.Load() }
		p.Rules = func() identity.PasswordRules { return rules }
		p.Of = func(context.Context, string) (string, error) { return "alice", nil }
	}
}

// answering comes with alice's key, answers everything with yes, and stays.
func (b *bed) answering(addr string) (ssh.Conn, error) {
	b.t.Helper()
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		return slices.Repeat([]string{"yes"}, len(questions)), nil
	}
	c, channels, requests, err := ssh.NewClientConn(b.dialFrom(addr), b.addr, &ssh.ClientConfig{User: "x", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Auth: []ssh.AuthMethod{ssh.PublicKeys(b.key), ssh.RetryableAuthMethod(ssh.KeyboardInteractive(answer), 3)}})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// TestAskedTwice: who is asked for a password behind their key, and then for a second factor, is
// counted once, and not at all when they are in: neither what they do next, nor somebody who has
// their key and nothing else, ends what they have open.
func TestAskedTwice(t *testing.T) {
	var asked atomic.Int32
	var on atomic.Bool
	on.Store(true)
	b := newBed(t, nil, 1, behindKeys(&asked, &on), func(s *Server) { s.Prover.Second = word("yes") })
	first, err := b.answering("127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	for range maxAskedFrom + 1 {
		c, err := b.answering("127.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	never := make(chan string)
	t.Cleanup(func() { close(never) })
	for range maxAskedFrom + 1 {
		b.silentFrom("127.0.0.2", never)
	}
	b.refused(1, errAskedAgain.Error()) // of those who are silent
	if n := asked.Load(); n < maxAskedFrom+2 {
		t.Errorf("PAM was asked %d times", n)
	}
	if _, _, err := first.SendRequest(keepalive, true, nil); err != nil {
		t.Errorf("the first connection has ended: %v", err)
	}
	list := b.server.askedOf("alice")
	list.mu.Lock()
	defer list.mu.Unlock()
	if len(list.list) != maxAskedFrom {
		t.Errorf("%d are asked", len(list.list))
	}
}
