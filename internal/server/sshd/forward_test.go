package sshd

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/reach"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// reachVar has this program be what reaches.
const reachVar = "MUXWARD_TEST_REACH"

// reaches has a door reach for people, as who runs the tests.
func reaches(s *Server) {
	s.Reaching = Reaching{May: func(string, access.Verb, *access.Reach) bool { return true },
		Start: func(context.Context, string) (*reach.Line, error) {
			cmd, line, err := startReach()
			if err == nil {
				s.wg.Go(func() { _ = cmd.Wait() })
			}
			return line, err
		}}
}

// startReach starts one process that reaches. It is the caller's to wait for.
func startReach() (*exec.Cmd, *reach.Line, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	defer theirs.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), reachVar+"=1"), []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	line, err := reach.Open(os.NewFile(uintptr(fds[0]), "ours"))
	return cmd, line, err
}

// TestUnsure: when nobody says that what reached has ended, as when somebody of its account
// killed it, a revocation is not confirmed, and an alarm tells.
func TestUnsure(t *testing.T) {
	killed := func() {}
	b := newBed(t, nil, 1, func(s *Server) {
		reaches(s)
		s.Reaching.Start = func(context.Context, string) (*reach.Line, error) {
			cmd, line, err := startReach()
			if err == nil {
				t.Cleanup(func() { _ = cmd.Wait() })
				killed = func() { _ = cmd.Process.Kill() }
			}
			return line, err
		}
	})
	c := b.dial(newValve(false), ssh.Config{})
	if _, err := c.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	killed()
	if err := b.server.Gateway.Denials.Add(grants.Denial{Person: "alice", By: "root", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	if rep := b.server.Gateway.Reconsider(ctx, "alice", "revoked"); len(rep.Unconfirmed) == 0 {
		t.Error("it is confirmed")
	}
	if !b.wrote(access.EventAlarm) {
		t.Error("no alarm tells")
	}
}

// flood is a service that says much and takes nothing.
func flood(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for err == nil {
				_, err = c.Write(make([]byte, 32<<10))
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-over })
	return l.Addr().String()
}

// TestForwards: there and back, and a client takes back where it has us listen.
func TestForwards(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	c := b.dial(newValve(false), ssh.Config{})
	l, err := c.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { // what comes back there is echoed
		defer close(over)
		if x, err := l.Accept(); err == nil {
			_, _ = io.Copy(x, x)
			_ = x.Close()
		}
	}()
	far, err := c.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(far).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("%q %v", line, err)
	}
	_ = far.Close()
	<-over
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Errorf("take it back: %v", err)
	}
	tmuxtest.Eventually(t, func() bool {
		x, err := net.Dial("tcp", at)
		if err == nil {
			_ = x.Close()
		}
		return err != nil
	}, "nobody listens any more")
}

// TestForwardHeldUp: a client that takes nothing holds up no revocation: its connection
// ends, and what it has not got is thrown away.
func TestForwardHeldUp(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	v := newValve(true)
	c := b.dial(v, ssh.Config{})
	far, err := c.Dial("tcp", flood(t))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := io.ReadFull(far, make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	of := b.conn()
	if err := b.server.Gateway.Denials.Add(grants.Denial{Person: "alice", By: "root", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	if rep := b.server.Gateway.Reconsider(ctx, "alice", "revoked"); len(rep.Unconfirmed) > 0 {
		t.Errorf("not confirmed: %v", rep.Unconfirmed)
	}
	of.mu.Lock()
	reached := of.reached
	of.mu.Unlock()
	if !b.wrote(access.EventOutcome) {
		t.Errorf("the revocation returns, and the forwarding goes on (%d)", reached)
	}
}

// TestForwardClosed: what a client has closed counts no more, though the far end takes no
// notice; and what it sent before arrives.
func TestForwardClosed(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan net.Conn, 4)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			x, err := l.Accept()
			if err != nil {
				return
			}
			came <- x
		}
	}()
	defer func() { _ = l.Close(); <-over }()
	c := b.dial(newValve(false), ssh.Config{})
	for range 3 {
		far, err := c.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := far.Write([]byte("sent")); err != nil {
			t.Fatal(err)
		}
		_ = far.Close()
		x := <-came
		defer x.Close()
		if _, err := io.ReadFull(x, make([]byte, 4)); err != nil {
			t.Errorf("what was sent does not arrive: %v", err)
		}
	}
	of := b.conn()
	tmuxtest.Eventually(t, func() bool {
		of.mu.Lock()
		defer of.mu.Unlock()
		return of.reached == 0
	}, "closed channels count no more")
}

// takenBack has somebody come by a listener, takes that back, and asks for it again; who had
// come is heard still. It gives their end here, and the new listener.
func takenBack(t *testing.T, l net.Listener, listen func() (net.Listener, error)) (came net.Conn, again net.Listener) {
	t.Helper()
	far, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if came, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err = listen(); err != nil {
		t.Fatalf("asked for again: %v", err)
	}
	_ = far.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := came.Write([]byte("x")); err != nil {
		t.Errorf("who had come: %v", err)
	}
	if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
		t.Errorf("who had come: %v", err)
	}
	return came, again
}

// TestListenTakenBack: what a client takes back is free when it hears so, may be asked for
// again at once, and who had come by it stays.
func TestListenTakenBack(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	c := b.dial(newValve(false), ssh.Config{})
	l, err := c.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_, again := takenBack(t, l, func() (net.Listener, error) { return c.Listen("tcp", at) })
	if err := again.Close(); err != nil {
		t.Errorf("taken back again: %v", err)
	}
}

// TestSocketTakenBack: so it is with a socket, whose path is free at once.
func TestSocketTakenBack(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	c := b.dial(newValve(false), ssh.Config{})
	path := t.TempDir() + "/s"
	l, err := c.ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	x, again := takenBack(t, l, func() (net.Listener, error) { return c.ListenUnix(path) })
	_ = x.Close()
	if next, err := net.Dial("unix", path); err != nil { // what ends of the first removes no other's
		t.Error(err)
	} else {
		_ = next.Close()
	}
	if err := again.Close(); err != nil {
		t.Errorf("taken back again: %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
}

// TestOverTheLimit: who asks for more than there may be at once is refused each time, and
// keeps what they have.
func TestOverTheLimit(t *testing.T) {
	b := newBed(t, nil, 1, reaches)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the kernel takes who comes
	c := b.dial(newValve(false), ssh.Config{})
	for range maxForwards {
		if _, err := c.Dial("tcp", l.Addr().String()); err != nil {
			t.Fatal(err)
		}
	}
	for range maxRefused + 10 {
		if _, err := c.Dial("tcp", l.Addr().String()); err == nil {
			t.Fatal("one more than there may be")
		}
	}
	if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("the connection has ended: %v", err)
	}
	if !b.wrote(access.EventDenied) {
		t.Error("the log does not tell of it")
	}
}
