package guard

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// hooked is a server that keeps who types waiting for a hook, until that is let go on, and the
// connection to it.
func hooked(t *testing.T) (s *Server, c *control.Client, goOn func()) {
	t.Helper()
	w := newWorld(t)
	s = w.start("alice")
	file := w.acct.Home + "/go"
	run(t, s, "new-session", "-d", "exec cat", ";", "set-hook", "-g", "after-send-keys",
		"run-shell 'timeout 60 sh -c \"until test -e "+file+"; do sleep 0.02; done\"'")
	c, err := s.Control(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, c, func() {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// What bob typed was read by tmux and waits there for a hook when the connection is cut for carol: it
// is not forgotten by the next connection, and bob's is sure only when it was typed.
func TestOwedBehindACut(t *testing.T) {
	s, c, goOn := hooked(t)
	typed := func() bool { return strings.Contains(run(t, s, "capture-pane", "-p"), "carol-bob") }
	if _, err := c.SendOf("carol", "send-keys -t : -l carol"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendOf("bob", "send-keys -t : -l -- -bob"); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(run(t, s, "capture-pane", "-p"), "carol") }, "the hook runs")
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Cut(ctx)
	}()
	tmuxtest.Eventually(t, func() bool { return c.Err() != nil }, "it is being cut")
	if owing := s.Owing(); !slices.Contains(owing, "bob") {
		t.Errorf("nobody knows what became of bob's, and %v owe", owing)
	}
	let := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() { defer close(let); goOn() }) // while that is waited for
	if _, err := s.Control(t.Context()); err != nil {                         // somebody else goes on
		t.Fatal(err)
	}
	if !typed() {
		t.Error("others go on before what was read is typed, and nobody owes it")
	}
	if err := s.Written(t.Context(), "bob"); err != nil || !typed() {
		t.Errorf("bob's is written, %v, and typed: %v", err, typed())
	}
	<-cut
	<-let
}

// What still waits for a hook when its connection is closed is never done.
func TestClosedBehindAHook(t *testing.T) {
	s, c, goOn := hooked(t)
	if _, err := c.SendOf("bob", "send-keys -t : -l carol", "send-keys -t : -l -- -bob"); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(run(t, s, "capture-pane", "-p"), "carol") }, "the hook runs")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Cut(ctx)
	if err := s.Written(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	goOn()
	run(t, s, "run-shell", "-d", "1.5", "true")
	if screen := run(t, s, "capture-pane", "-p"); strings.Contains(screen, "bob") {
		t.Errorf("it is typed when that is confirmed: %q", screen)
	}
}

// A command that came over a connection of its own, and was left where tmux had not read it, is its
// person's until that is done.
func TestOwedCommandLeft(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	if err := s.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	signal(t, s, syscall.SIGSTOP)
	c, err := s.ConnectFor(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Identify(t.Context(), commandOf("set-option", "-g", "@done", "yes")); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if owing := s.Owing(); !slices.Equal(owing, []string{"bob"}) {
		t.Errorf("bob's command lies there, and %v owe", owing)
	}
	s.unwritten(t, "bob")
	if err := s.Written(t.Context(), "carol"); err != nil {
		t.Errorf("carol has asked for nothing: %v", err)
	}
	signal(t, s, syscall.SIGCONT)
	if err := s.Written(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	if got := run(t, s, "show-options", "-gv", "@done"); got != "yes" {
		t.Errorf("it is confirmed, and not done: %q", got)
	}
	if owing := s.Owing(); len(owing) > 0 {
		t.Errorf("it is done, and %v owe", owing)
	}
}

// What such a command typed is written behind its answer.
func TestOwedCommandAnswered(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "exec cat", ";", "set-buffer", "x")
	if _, err := s.Control(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := s.ConnectFor(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Identify(t.Context(), commandOf("paste-buffer")); err != nil {
		t.Fatal(err)
	}
	raw, err := c.NetConn().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool {
		var n int
		_ = raw.Control(func(fd uintptr) { n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) })
		return n == 1
	}, "it is answered")
	signal(t, s, syscall.SIGSTOP) // nothing else is asked meanwhile
	for m, err := c.ReadMsg(t.Context()); ; m, err = c.ReadMsg(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Type() == wire.TypeExit {
			break
		}
	}
	if owing := s.Owing(); !slices.Equal(owing, []string{"bob"}) {
		t.Errorf("bob has typed, and %v owe", owing)
	}
	s.unwritten(t, "bob")
	signal(t, s, syscall.SIGCONT)
	if err := s.Written(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	if owing := s.Owing(); len(owing) > 0 {
		t.Errorf("it is written, and %v owe", owing)
	}
}

// It is owed also where no control client is there that could know of it.
func TestOwedWithoutControl(t *testing.T) {
	var s Server
	d := s.backlog.begin()
	d.of = "bob"
	s.backlog.asks(d)
	s.came(d)
	if owing := s.Owing(); !slices.Equal(owing, []string{"bob"}) {
		t.Errorf("bob has typed, and %v owe", owing)
	}
	s.backlog.confirms(0, s.backlog.now())
	if owing := s.Owing(); len(owing) > 0 {
		t.Errorf("it is written, and %v owe", owing)
	}
}

func commandOf(argv ...string) *wire.Hello {
	return &wire.Hello{Flags: wire.FlagUTF8, PID: int32(os.Getpid()), Cwd: "/", Argv: argv}
}

func signal(t *testing.T, s *Server, what syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.PID(), what); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(s.PID(), syscall.SIGCONT) })
}

// unwritten expects that a server which is stopped does not confirm what is somebody's.
func (s *Server) unwritten(t *testing.T, person string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if s.Written(ctx, person) == nil {
		t.Error("it is written, by a server that is stopped")
	}
}
