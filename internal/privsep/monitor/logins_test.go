package monitor

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/privsep"
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
	change = func(p *Parts) { p.PAM, p.Begin = PAM{Program: "/x/muxward-pam", Service: service}, start }
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
		line, _, err := c.Login(context.Background(), "alice", "")
		if err != nil {
			t.Fatal(err)
		}
		line.Close()
	}
	if _, _, err := c.Login(context.Background(), "alice", ""); err == nil || !strings.Contains(err.Error(), "no more at once") {
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
