package main

import (
	"encoding/json"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
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

// TestAttachAnswer: an account that muxward runs as may be somebody else's by now, and whoever
// comes by a forced command may be root. What it answers is neither the program that they become,
// nor an argument for that but what is asked of tmux.
func TestAttachAnswer(t *testing.T) {
	at := config.Serving{Tmux: "/bin/sh", Doors: "/doors"}
	answer := func(text string) (f acts.Forced) {
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	program, argv, env, err := clientOf(at, answer(`{"tmux":"/usr/bin/ssh","doors":"/tmp","mode":"-CC","argv":["-oProxyCommand=id","ls"]}`))
	if err != nil || !slices.Contains(env, "TMUX_TMPDIR=/doors") || argv[0] != "sh" || strings.Contains(program, "ssh") {
		t.Errorf("%s %q %q %v", program, argv, env, err)
	}
	if end := slices.Index(argv, "--"); end < 0 || !slices.Equal(argv[end-1:], []string{"-CC", "--", "-oProxyCommand=id", "ls"}) {
		t.Errorf("%q", argv)
	}
	for _, mode := range []string{"-oProxyCommand=sh -c id", "-S/tmp/x", "-C ", "-v", "new"} {
		if _, argv, _, err := clientOf(at, acts.Forced{Mode: mode}); err == nil {
			t.Errorf("%q", argv)
		}
	}
	for _, at := range []config.Serving{{Doors: "/doors"}, {Tmux: "/bin/sh"}, {Tmux: "sh", Doors: "/doors"}} {
		if _, argv, _, err := clientOf(at, acts.Forced{}); err == nil {
			t.Errorf("%+v: %q", at, argv)
		}
	}
}

// TestRootMay: root is nobody's client where muxward runs as an account, unless root's own
// configuration has it so.
func TestRootMay(t *testing.T) {
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "a configuration has to be root's")
	}
	dir := t.TempDir()
	for text, want := range map[string]bool{"account: ward\n": false, "account: ward\naccounts: [root]\n": true, "account: ward\naccounts: [alice]\n": false} {
		file := dir + "/muxward.yaml"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := rootMay(config.Serving{Account: "ward", File: file}, 0); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, at := range []config.Serving{{}, {Account: "ward"}} {
		if err := rootMay(at, 1000); err != nil {
			t.Error(err)
		}
	}
	if rootMay(config.Serving{}, 0) != nil || rootMay(config.Serving{Account: "ward"}, 0) == nil {
		t.Error("without an account, or without a configuration")
	}
}
