package attack

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Bob has a session and asks for what only the other end may say, or what would reach the
// program behind it: signals, a break, that it has ended. He ends his input, goes on behind
// that, and closes twice. None of it is granted, what he asked for is answered, the
// session ends once, and the connection goes on.
func TestSS17OddRequests(t *testing.T) {
	t.Parallel()
	row{ssh: true, ordinary: true, restless: true, attack: func(w *world) {
		c, err := w.dialSSH(viewer, 1)
		if err != nil {
			t.Fatal(err)
		}
		type word struct{ S string }
		type number struct{ N uint32 }
		for i, odd := range []struct {
			name    string
			payload []byte
		}{
			{"signal", ssh.Marshal(word{"KILL"})}, {"signal", nil}, {"break", ssh.Marshal(number{500})}, {"break", nil},
			{"eow@openssh.com", nil}, {"xon-xoff", []byte{1}}, {"exit-status", ssh.Marshal(number{0})},
			{"exit-signal", ssh.Marshal(struct {
				S    string
				Core bool
				A, B string
			}{"KILL", false, "", ""})},
			{"keepalive@openssh.com", nil}, {"auth-agent-req@openssh.com", nil}, {"x11-req", nil}, {"\x00", nil},
		} {
			line := "ls"
			if i%3 == 1 {
				line = "no such thing"
			}
			w.oddRequest(c, line, odd.name, odd.payload)
		}
		if w.control {
			return
		}
		if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			t.Errorf("the connection has gone: %v, %v", ok, err)
		}
		if list := w.exec(c, "ls"); !strings.HasPrefix(list, owner+"/shared: ") {
			t.Errorf("afterwards bob is answered %q", list)
		}
	}}.run(t)
}

// oddRequest makes a request before and behind a command line, and one more when its
// own input has ended.
func (w *world) oddRequest(c *ssh.Client, line, name string, payload []byte) {
	w.t.Helper()
	ch, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		w.t.Fatalf("%q: %v", name, err)
	}
	exits := make(chan int, 1)
	go func() {
		n := 0
		for r := range requests {
			if r.Type == "exit-status" {
				n++
			}
			if r.WantReply {
				_ = r.Reply(false, nil) // it may be over
			}
		}
		exits <- n
	}()
	ask := func(when string) {
		// An error is that the channel was closed meanwhile.
		if ok, err := ch.SendRequest(name, true, payload); err == nil && ok {
			w.gain("%q %s is granted", name, when)
		}
	}
	pty := ssh.Marshal(ptyRequest{"xterm", 80, 24, 0, 0, ""})
	if ok, err := ch.SendRequest("pty-req", true, pty); !ok || err != nil {
		w.t.Errorf("no terminal: %v %v", ok, err)
	}
	ask("before")
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{line})); !ok || err != nil {
		w.t.Errorf("%q: %v %v", line, ok, err)
	}
	ask("meanwhile")
	_ = ch.CloseWrite()
	_, _ = ch.Write([]byte("behind the end"))
	ask("behind the end")
	if _, err := io.Copy(io.Discard, ch); err != nil {
		w.t.Errorf("%q: what is answered does not end: %v", name, err)
	}
	_, _ = ch.Write([]byte("behind all"))
	_, _ = ch.Close(), ch.Close()
	if n := <-exits; n != 1 && !w.control {
		w.t.Errorf("%q: %q ended %d times", name, line, n)
	}
}

// exec gives what a command line prints.
func (w *world) exec(c *ssh.Client, line string) string {
	w.t.Helper()
	s, err := c.NewSession()
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Output(line)
	if err != nil {
		w.t.Errorf("%q: %v", line, err)
	}
	return string(out)
}
