package sshd

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// passwords has alice come by hers, and counts how often PAM is asked.
func passwords(asked *atomic.Int32) func(*Server) {
	p := &identity.SSHPasswords{Wait: time.Nanosecond,
		Rules: func() identity.PasswordRules { return identity.PasswordRules{Service: "muxward"} },
		Account: func(_ context.Context, name string) (identity.Account, string, error) {
			if name != "alice" {
				return identity.Account{}, "", identity.ErrNoAccount
			}
			return identity.Account{Name: name, UID: 1001}, name, nil
		},
		Login: func(_ context.Context, _, _, _ string, who identity.LoginPerson) (int, error) {
			asked.Add(1)
			if word, err := who.Ask("Password: ", false); err != nil || word != "yes" {
				return 0, errors.Join(err, errors.New("authentication failure"))
			}
			return 1, nil
		}}
	return func(s *Server) { s.Prover.Passwords = p }
}

// by comes from an address with passwords, one after the other.
func (b *bed) by(addr, user string, words ...string) (*ssh.Client, error) {
	b.t.Helper()
	nc := b.dialFrom(addr)
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if len(words) == 0 || len(questions) == 0 {
			return nil, errors.New("no more")
		}
		word := words[0]
		words = words[1:]
		return []string{word}, nil
	}
	c, channels, requests, err := ssh.NewClientConn(nc, b.addr, &ssh.ClientConfig{User: user, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 20 * time.Second,
		Auth: []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.KeyboardInteractive(answer), len(words))}})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// TestWrongPasswordsCost: wrong passwords keep an address waiting, before PAM is asked, also
// if somebody whom we know comes from there, and who guesses has an account of their own.
func TestWrongPasswordsCost(t *testing.T) {
	var asked atomic.Int32
	b := newBed(t, nil, 1, passwords(&asked))
	c, err := b.by("127.0.0.2", "alice+work", "no", "no", "yes")
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return b.conn().proof.Load() != nil }, "she is in, and her address known")
	from := b.conn().from
	b.server.guesses.mu.Lock()
	costs := time.Until(b.server.guesses.until[from.near])
	b.server.guesses.mu.Unlock()
	if costs <= 0 {
		t.Errorf("two wrong passwords cost %s", costs)
	}
	b.server.guesses.add(from, mostCost, time.Now()) // and many more
	before := asked.Load()
	if _, err := b.by("127.0.0.2", "alice", "yes"); err == nil || asked.Load() != before {
		t.Errorf("no end of guesses from an address where somebody is known: %v, asked %d times", err, asked.Load()-before)
	}
	_ = c.Close()
	if c, err := b.by("127.0.9.3", "alice", "yes"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	} else {
		_ = c.Close()
	}
	tmuxtest.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		in, out := 0, 0
		for _, e := range b.events {
			switch {
			case e.Allowed && e.Person == "alice" && e.Account == "alice" && e.Key == "" && e.Note == "let in by password; passwords that were not taken before: 2, of \"alice\"":
				in++
			case !e.Allowed && strings.Contains(e.Reason, errGuesses.Error()):
				out++
			}
		}
		return in == 1 && out == 1
	}, "the log has all of it")
	now, other := time.Now(), source{near: origin{uid: 1}, far: origin{uid: 2}}
	for i := range 4 {
		if waits := b.server.guesses.waits(other, now); waits {
			t.Errorf("after %d wrong ones they wait already", i)
		}
		b.server.guesses.add(other, failCost, now)
	}
	if !b.server.guesses.waits(other, now) {
		t.Error("after four they do not wait")
	}
}

// TestGuessesOfOthers: whose passwords somebody has tried before they came by another is in
// the log: a client may name another account each time.
func TestGuessesOfOthers(t *testing.T) {
	c := &conn{s: newBed(t, nil, 1, passwords(&atomic.Int32{})).server}
	for _, name := range []string{"bob", "alice", "bob"} {
		c.guess(name)
	}
	if note := c.letInAs(); note != `let in; passwords that were not taken before: 3, of "alice", "bob"` {
		t.Error(note)
	}
}

// deadlines is a connection that has them.
type deadlines struct {
	net.Conn
	at []time.Time
}

func (d *deadlines) SetDeadline(t time.Time) error { d.at = append(d.at, t); return nil }

// TestPasswordsEnd: whoever tries passwords has one time for all of them.
func TestPasswordsEnd(t *testing.T) {
	d := &deadlines{}
	c := newConn(newBed(t, nil, 1, passwords(&atomic.Int32{})).server, d)
	for range maxTries {
		if err := c.trying(); err != nil {
			t.Fatal(err)
		}
	}
	if at := slices.Compact(d.at); len(at) != 1 {
		t.Errorf("they have until %v", at)
	}
}

// TestNotAsked: where nobody can be asked about passwords the administrator hears it, and
// nobody pays.
func TestNotAsked(t *testing.T) {
	heard := make(chan string, 10)
	b := newBed(t, nil, 1, passwords(&atomic.Int32{}), func(s *Server) {
		s.Complain = func(what string) { heard <- what }
		s.Prover.Passwords.Login = func(context.Context, string, string, string, identity.LoginPerson) (int, error) {
			return 0, fmt.Errorf("%w: by a test", identity.ErrNotAsked)
		}
	})
	if _, err := b.by("127.0.0.2", "alice", "yes"); err == nil {
		t.Error("let in")
	}
	if what := within(t, heard, "a complaint"); what != "ssh door: nobody can be asked about passwords: by a test" {
		t.Error(what)
	}
	b.server.guesses.mu.Lock()
	defer b.server.guesses.mu.Unlock()
	if len(b.server.guesses.until) != 0 {
		t.Error("they pay for it")
	}
}

// TestPasswordTarget: the name is the account, and only what stands behind + a session.
func TestPasswordTarget(t *testing.T) {
	b := newBed(t, nil, 1, passwords(&atomic.Int32{}))
	for user, want := range map[string]string{"alice": "", "alice+bob/s0": "bob/s0", "alice+alice": "alice"} {
		c, err := b.by("127.0.0.2", user, "yes")
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		tmuxtest.Eventually(t, func() bool { return b.conn().proof.Load() != nil }, "they are in")
		if got := b.conn().target; got != want {
			t.Errorf("%s names %q, not %q", user, got, want)
		}
		_ = c.Close()
		tmuxtest.Eventually(t, func() bool { b.server.mu.Lock(); defer b.server.mu.Unlock(); return len(b.server.conns) == 0 }, "it ends")
	}
}

// TestPasswordsMakeRoom: who is asked for a password goes on to make room for others, as
// anybody can say a name: the oldest of an address goes.
func TestPasswordsMakeRoom(t *testing.T) {
	b := newBed(t, nil, 1, passwords(&atomic.Int32{}))
	first := make(chan error, 1)
	held := make(chan struct{})
	defer close(held)
	hold := func(done chan<- error, asked chan<- bool) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}, Timeout: 10 * time.Second}
		nc, err := d.Dial("tcp", b.addr)
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		_, _, _, err = ssh.NewClientConn(nc, b.addr, &ssh.ClientConfig{User: "alice", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) {
				asked <- true
				<-held
				return nil, fmt.Errorf("never")
			})}})
		done <- err
	}
	asked := make(chan bool, perSource+1)
	others := make(chan error, perSource)
	go hold(first, asked)
	within(t, asked, "the first question")
	for range perSource {
		go hold(others, asked)
		within(t, asked, "a question")
	}
	tmuxtest.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.events {
			if strings.Contains(e.Reason, errMadeRoom.Error()) {
				return true
			}
		}
		return false
	}, "the oldest makes room")
}

// TestAccountsNotFound: where accounts are not found any more nobody is kept from taking
// keys away: what rests on keys is looked at first, all of it has one time, and an account
// is looked up once for all of its connections. Who came by one has to go.
func TestAccountsNotFound(t *testing.T) {
	var looked, behind atomic.Int32
	var byKey atomic.Pointer[conn]
	b := newBed(t, &times{look: tmuxtest.Patience / 50}, 1, passwords(&atomic.Int32{}), func(s *Server) {
		s.Prover.Passwords.Standing = func(ctx context.Context, name string) (identity.Account, string, error) {
			c := byKey.Load()
			if c == nil {
				return s.Prover.Passwords.Account(ctx, name)
			}
			looked.Add(1)
			select {
			case <-c.done:
				behind.Add(1)
			case <-ctx.Done():
			}
			<-ctx.Done()
			return identity.Account{}, "", ctx.Err()
		}
	})
	for range 3 {
		if _, err := b.by("127.0.0.2", "alice", "yes"); err != nil {
			t.Fatal(err)
		}
	}
	b.dial(newValve(false), ssh.Config{})
	var all []*conn
	tmuxtest.Eventually(t, func() bool {
		b.server.mu.Lock()
		defer b.server.mu.Unlock()
		all = slices.Collect(maps.Keys(b.server.conns))
		return len(all) == 4 && !slices.ContainsFunc(all, func(c *conn) bool { return c.proof.Load() == nil })
	}, "all are in")
	byKey.Store(all[slices.IndexFunc(all, func(c *conn) bool { return !c.proof.Load().ByPassword() })])
	b.table.Store(&identity.SSHKeys{})
	if un := b.server.Reconsider(t.Context()); len(un) > 0 {
		t.Error(un)
	}
	for _, c := range all {
		if !c.over() {
			t.Error("a connection goes on")
		}
	}
	if looked.Load() != 1 || behind.Load() != 1 {
		t.Errorf("accounts were looked up %d times, and behind keys %d times", looked.Load(), behind.Load())
	}
}

// TestKeysBeforeAccounts: what holds no more by itself ends without waiting for accounts of others, whose
// look-up gets no answer: a key alone when a password is asked for behind it, and a key that is taken
// away, also where an account was proved behind that.
func TestKeysBeforeAccounts(t *testing.T) {
	var asked atomic.Int32
	var on, hang atomic.Bool
	on.Store(true)
	held := make(chan string, 9)
	b := newBed(t, &times{look: 2 * tmuxtest.Patience}, 1, behindKeys(&asked, &on), func(s *Server) {
		s.Prover.Passwords.Standing = func(ctx context.Context, name string) (identity.Account, string, error) {
			if hang.Load() {
				held <- name
				<-ctx.Done()
				return identity.Account{}, "", ctx.Err()
			}
			return identity.Account{Name: name, UID: 1001}, name, nil
		}
	})
	come := func() (gone chan error) {
		c, err := b.answering("127.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.SendRequest(keepalive, true, nil); err != nil { // is answered when they are in
			t.Fatal(err)
		}
		gone = make(chan error, 1)
		go func() { gone <- c.Wait() }()
		return gone
	}
	reconsider := func() (done chan bool, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done = make(chan bool, 1)
		go func() {
			b.server.Reconsider(ctx)
			done <- true
		}()
		return done, cancel
	}
	var behind, plain []chan error
	for range 3 {
		behind = append(behind, come())
	}
	on.Store(false)
	for range 3 {
		plain = append(plain, come())
	}
	on.Store(true)
	hang.Store(true)
	done, end := reconsider()
	for _, gone := range plain {
		within(t, gone, "the end of who is in by a key alone")
	}
	within(t, held, "a look-up")
	end()
	for _, gone := range behind {
		within(t, gone, "the end of whose account is not found")
	}
	within(t, done, "the end of looking")
	hang.Store(false)
	behind = []chan error{come(), come()}
	on.Store(false)
	behind = append(behind, come())
	empty, _ := identity.NewSSHKeys(nil, nil, nil, func(string) bool { return true })
	b.table.Store(empty)
	hang.Store(true)
	done, end = reconsider()
	defer end()
	for _, gone := range behind {
		within(t, gone, "the end of the key")
	}
	within(t, done, "the end of looking")
	if len(held) > 0 {
		t.Errorf("accounts were looked up of whose key was taken away: %d", len(held))
	}
}
