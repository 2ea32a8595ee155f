package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

// TestAuthorizedLine: what sshd is told is one line, whatever answers as muxward: another
// line could let in whom it likes, without a command.
func TestAuthorizedLine(t *testing.T) {
	const key = "ssh-ed25519 AAAA"
	good := identity.TicketLine{Ticket: strings.Repeat("a-_9", 16), From: "10.0.0.0/8,!2001:DB8::1", PTY: true}
	line, err := authorizedLine("/state", good, key)
	if err != nil || !strings.HasPrefix(line, `restrict,pty,from="10.0.0.0/8,!2001:DB8::1",command="`) ||
		!strings.HasSuffix(line, " attach --state '/state' --ticket "+good.Ticket+`" `+key) && !strings.HasSuffix(line, " attach --state /state --ticket "+good.Ticket+`" `+key) {
		t.Errorf("%q, %v", line, err)
	}
	for _, change := range []func(*identity.TicketLine){
		func(l *identity.TicketLine) { l.Ticket = "" },
		func(l *identity.TicketLine) { l.Ticket += "a" },
		func(l *identity.TicketLine) { l.Ticket = strings.Repeat("a", 40) + "\nssh-ed25519 BBBBBBBBBBB" },
		func(l *identity.TicketLine) { l.Ticket = strings.Repeat("a", 30) + `" ` + strings.Repeat("a", 32) },
		func(l *identity.TicketLine) { l.From = "10.0.0.1\"" },
		func(l *identity.TicketLine) { l.From = "10.0.0.1\nssh-ed25519 BBBB" },
		func(l *identity.TicketLine) { l.From = "10.0.0.*" },
	} {
		l := good
		change(&l)
		if line, err := authorizedLine("/state", l, key); err == nil {
			t.Errorf("%+v: %q", l, line)
		}
	}
	if line, err := authorizedLine("/sta\nte", good, key); err == nil {
		t.Errorf("%q", line)
	}
}

// TestCallPatiently: where there are too many at the moment, we ask again; what is
// answered is not asked again.
func TestCallPatiently(t *testing.T) {
	state := t.TempDir()
	l, err := net.Listen("unix", state+"/ctl")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := (config.Serving{Ctl: state + "/ctl"}).Save(state); err != nil {
		t.Fatal(err)
	}
	asked := make(chan int, 1)
	go func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				asked <- n - 1
				return
			}
			if n > 2 {
				var c ctld.Call
				_ = json.NewDecoder(conn).Decode(&c)
				_ = json.NewEncoder(conn).Encode(ctld.Answer{Error: "no"})
			}
			_ = conn.Close()
		}
	}()
	f := daemonFlags{state: state}
	if err := f.callPatiently(t.Context(), ctld.Call{Act: "keys"}, nil); err == nil || err.Error() != "no" {
		t.Errorf("%v", err)
	}
	_ = l.Close()
	if n := <-asked; n != 3 {
		t.Errorf("asked %d times", n)
	}
}
