package monitor

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// toyLogin is a login that nothing stands behind.
type toyLogin struct {
	line *os.File
	end  func()
}

func (l toyLogin) Line() *os.File { return l.line }
func (l toyLogin) End()           { l.end() }

// toyLogins begin for a service, and count those that were not ended.
func toyLogins(t *testing.T, service string) (change func(*Parts), asked func() []pam.Request, open func() int) {
	var mu sync.Mutex
	var all []pam.Request
	n := 0
	start := func(_ context.Context, program string, r pam.Request, left func()) (login, error) {
		f, err := os.Open("/dev/null")
		if err != nil || program != "/x/muxward-pam" {
			t.Error(program, err)
		}
		mu.Lock()
		defer mu.Unlock()
		all, n = append(all, r), n+1
		return toyLogin{f, func() { mu.Lock(); defer mu.Unlock(); n--; left() }}, nil
	}
	change = func(p *Parts) {
		p.PAM, p.Begin = PAM{"/x/muxward-pam", service, func(name string) (uint32, error) {
			if name == "root" {
				return 0, errors.New("root does not come by a password")
			}
			return 1000, nil
		}}, start
	}
	return change, func() []pam.Request { mu.Lock(); defer mu.Unlock(); return all },
		func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// A login is begun by the service of the configuration, whatever muxward is, and is ended when it
// says so, or ends.
func TestLogins(t *testing.T) {
	toy, asked, open := toyLogins(t, "muxward")
	b := newBed(t, toy)
	c := b.connect()
	line, end, err := c.Login(context.Background(), "alice", "192.0.2.1")
	if err != nil || len(asked()) != 1 || asked()[0] != (pam.Request{Service: "muxward", Account: "alice", From: "192.0.2.1"}) {
		t.Fatal(asked(), err)
	}
	line.Close()
	end()
	if open() != 0 {
		t.Error("it goes on")
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := c.Login(gone, "alice", ""); err == nil || open() != 0 {
		t.Errorf("of who has gone it goes on: %d, %v", open(), err)
	}
	for range maxLogins {
		line, _, err := c.Login(context.Background(), pam.Nobody, "")
		if err != nil {
			t.Fatal(err)
		}
		line.Close()
	}
	if _, _, err := c.Login(context.Background(), pam.Nobody, ""); err == nil || !strings.Contains(err.Error(), "no more at once") {
		t.Error(err)
	}
	if open() != maxLogins {
		t.Error(open())
	}
	c.Close()
	if err := b.ended(); err != nil || open() != 0 {
		t.Errorf("muxward has ended, and %d logins go on: %v", open(), err)
	}
}

// What is none of muxward's ends it: another service, a login that is not there, or any where the
// configuration takes no passwords.
func TestLoginsRefused(t *testing.T) {
	hello := pack(t, privsep.NumHello, 1, privsep.Hello{Version: privsep.Version})
	for want, p := range map[string][]byte{
		"takes no passwords": pack(t, privsep.NumPAM, 2, privsep.PAM{Account: "alice"}),
		"unknown field":      raw(privsep.NumPAM, 2, `{"account":"alice","from":"","service":"other"}`),
		"no such login":      pack(t, privsep.NumPAMEnd, 2, privsep.Login{ID: 7}),
		"is no address":      pack(t, privsep.NumPAM, 2, privsep.PAM{Account: "alice", From: "LOCAL"}),
	} {
		service := "muxward"
		if want == "takes no passwords" {
			service = ""
		}
		toy, asked, _ := toyLogins(t, service)
		b := newBed(t, toy)
		_ = b.line.Send(hello)
		if _, err := b.line.Receive(make([]byte, privsep.MaxPacket)); err != nil {
			t.Fatal(err)
		}
		_ = b.line.Send(p)
		if err := b.ended(); err == nil || !strings.Contains(err.Error(), want) || len(asked()) != 0 {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// Whose password is asked about, and how often, is root's to say: not of root but by pam_root,
// nor faster than somebody types, however many connections muxward says there are.
func TestLoginsOfOthers(t *testing.T) {
	toy, asked, _ := toyLogins(t, "muxward")
	b := newBed(t, toy)
	c := b.connect()
	if _, _, err := c.Login(t.Context(), "root", "192.0.2.1"); err == nil || !strings.Contains(err.Error(), "root does not come") || len(asked()) != 0 {
		t.Errorf("root: %v, %v", asked(), err)
	}
	var refused error
	n := 0
	for ; refused == nil && n < 10*accountBurst; n++ {
		line, end, err := c.Login(t.Context(), "alice", "192.0.2.1")
		if refused = err; err == nil {
			line.Close()
			end()
		}
	}
	if !errors.Is(refused, unix.EUSERS) || !strings.Contains(refused.Error(), "just now") || n <= accountBurst {
		t.Errorf("%d logins: %v", n, refused)
	}
	line, end, err := c.Login(t.Context(), pam.Nobody, "192.0.2.1")
	if err != nil {
		t.Fatalf("who tries alice's keeps strangers from being asked alike: %v", err)
	}
	line.Close()
	end()
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	count := func(uid uint32) (n int) {
		for p.begin(uid, now) == nil {
			n++
		}
		return n
	}
	if n := count(1); n != accountBurst {
		t.Error(n)
	}
	now = now.Add(time.Second)
	if n := count(1); n != accountRate {
		t.Error(n)
	}
	now = now.Add(-time.Hour) // a clock that is set back
	if n := count(1); n != 0 {
		t.Error(n)
	}
	all := accountBurst + accountRate
	for uid := uint32(2); uid < 2*allBurst/accountBurst; uid++ {
		all += count(uid)
	}
	if all != allBurst+min(allRate, accountBurst) {
		t.Error(all)
	}
}

// A login that nobody ends, as its answer came too late, ends by itself, and whoever ends it
// then does nothing wrong.
func TestLoginsLate(t *testing.T) {
	toy, _, open := toyLogins(t, "muxward")
	b := newBed(t, toy, func(p *Parts) { p.loginTime = time.Millisecond })
	c := b.connect()
	line, end, err := c.Login(t.Context(), "alice", "")
	if err != nil {
		t.Fatal(err)
	}
	line.Close()
	tmuxtest.Eventually(t, func() bool { return open() == 0 }, "the login has ended")
	end()
	if _, _, err := c.Login(t.Context(), "alice", ""); err != nil {
		t.Errorf("its end has ended all: %v", err)
	}
}

// settingsOf root say whose passwords are asked about.
func TestPassword(t *testing.T) {
	s := &setting{account: accounts.Account{Name: "nobody", UID: 65534}}
	for name, want := range map[string]bool{"root": false, "nobody": false, "no_such_thing": false, "a\nb": false, "": false, "daemon": true} {
		if _, err := s.password(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	s.config.SSH.PAMRoot, s.config.SSH.KeysAccounts = true, []string{"daemon"}
	if _, err := s.password("root"); err != nil {
		t.Error(err)
	}
	if _, err := s.password("daemon"); err == nil {
		t.Error("a lent account's")
	}
}
