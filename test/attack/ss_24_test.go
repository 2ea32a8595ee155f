package attack

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob has a connection through the SSH door, permitted by name, and one that comes to him.
// He hopes to keep them when that is taken from him: by a revocation, a lockdown, an entry
// that is gone or that has ended. Once that has returned, or the time has come, nothing he
// sends arrives, and nothing comes to him.
func TestSS24AfterTheEnd(t *testing.T) {
	t.Parallel()
	const entry = "allow:\n  - {id: sink, who: mwbob, permit_open: [\"%s\"], permit_listen: [\"%s\"], reason: for now%s}\n"
	for name, end := range map[string]func(w *world, to, at string){
		"revoke":   func(w *world, _, _ string) { w.Muxward(root, "revoke", viewer, "--reason", "enough") },
		"lockdown": func(w *world, _, _ string) { w.Muxward(root, "lockdown", "--host", "--reason", "an incident") },
		"reload":   func(w *world, _, at string) { w.Reload("ssh.yaml", fmt.Sprintf(entry, "10.1.2.3:4", at, "")) },
		"until": func(w *world, to, at string) {
			until := time.Now().Add(time.Second)
			w.Reload("ssh.yaml", fmt.Sprintf(entry, to, at, ", until: \""+until.UTC().Format(time.RFC3339)+"\""))
			tmuxtest.Eventually(t, func() bool { return time.Now().After(until.Add(200 * time.Millisecond)) }, "the time has come")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t)
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			at := free.Addr().String()
			_ = free.Close()
			r := row{ssh: true, restless: true, teeth: "teeth_reach", reach: fmt.Sprintf(entry, s.addr, at, ""), attack: func(w *world) {
				s.reset()
				c := w.connectedTo(viewer, s.addr)
				if _, err := c.Write([]byte("before")); err != nil {
					t.Fatal(err)
				}
				tmuxtest.Eventually(t, func() bool { return strings.Contains(s.text(), "before") }, "what bob sends arrives")
				end(w, s.addr, at)
				_, _ = c.Write([]byte("after"))
				limit := tmuxtest.Patience
				if w.control {
					limit = 2 * time.Second // it stays
				}
				_ = c.SetDeadline(time.Now().Add(limit))
				_, err := io.Copy(io.Discard, c)
				if timeout, is := err.(net.Error); is && timeout.Timeout() {
					w.gain("the connection stays")
				}
				if strings.Contains(s.text(), "after") {
					w.gain("what bob sends arrives")
				}
			}}
			if name == "revoke" { // with its control run: it is one check for all
				r.run(t)
				return
			}
			w := r.stage(t, false)
			r.attack(w)
			w.oracles()
			for _, g := range w.gains {
				t.Errorf("the attack succeeded: %s", g)
			}
		})
	}
}

// connectedTo has an ssh of somebody's pass on what comes to a socket, and connects there.
func (w *world) connectedTo(who, to string) net.Conn {
	w.t.Helper()
	path := w.Base + "/through"
	cmd := exec.Command("ssh", append(w.SSHArgs(w.KeyOf(who)), "-N", "-L", path+":"+to, "x@127.0.0.1")...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var c net.Conn
	tmuxtest.Eventually(w.t, func() bool {
		var err error
		c, err = net.Dial("unix", path)
		return err == nil
	}, "ssh listens")
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// sink is a service that keeps what comes.
type sink struct {
	addr string
	mu   sync.Mutex
	got  bytes.Buffer
}

func newSink(t *testing.T) *sink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &sink{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(s, c); _ = c.Close() }()
		}
	}()
	return s
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func (s *sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got.Reset()
}
