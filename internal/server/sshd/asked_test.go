package sshd

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

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
