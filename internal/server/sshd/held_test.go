package sshd

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestChannelCountsUntilClosed: a client that never closes its channel, but says that
// it sends nothing more, has not left: it can still send, and that is held. The
// channel counts for so long, and that is not for long.
func TestChannelCountsUntilClosed(t *testing.T) {
	b := newBed(t, &times{close: time.Second}, 1)
	v := newValve(false)
	client := b.dial(v, ssh.Config{})
	c := b.conn()
	for range 3 * maxChannels { // who closes is never held up
		ch := b.session(client)
		_, _ = ch.SendRequest("exec", false, ssh.Marshal(struct{ Line string }{"nonsense"}))
		_, _ = io.Copy(io.Discard, ch)
		_ = ch.Close()
	}
	ch := b.session(client)
	v.shut(2)
	_ = ch.CloseWrite() // first: what comes behind the command may be the library's, which closes the channel
	_, _ = ch.SendRequest("exec", false, ssh.Marshal(struct{ Line string }{"nonsense"}))
	tmuxtest.Eventually(t, func() bool { // the session is over
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.busy == 0
	}, "the command ends")
	c.mu.Lock()
	open := c.open
	c.mu.Unlock()
	select {
	case <-c.done:
	default:
		if open == 0 {
			t.Error("the channel does not count any more")
		}
	}
	b.gone(c)
}

// TestClientThatIsNotThere: a client that answers nothing is gone; one that does is
// asked again and again.
func TestClientThatIsNotThere(t *testing.T) {
	b := newBed(t, &times{close: time.Minute, ask: 10 * time.Millisecond, answer: time.Minute}, 1)
	client := b.dial(newValve(false), ssh.Config{})
	c := b.conn()
	begin := c.nc.wrote.Load()
	tmuxtest.Eventually(t, func() bool { return c.nc.wrote.Load()-begin > 300 }, "it is asked") // some 50 bytes each
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	b.gone(c)
	b = newBed(t, &times{close: time.Minute, ask: 10 * time.Millisecond, answer: time.Second}, 1)
	v := newValve(false)
	b.dial(v, ssh.Config{})
	c = b.conn()
	v.shut(0)
	b.gone(c)
}

// TestOneSessionOfSeveral: who closes one session keeps the others of the connection;
// who says that no more are to come is taken at their word.
func TestOneSessionOfSeveral(t *testing.T) {
	b := newBed(t, nil, 1)
	client := b.dial(newValve(false), ssh.Config{})
	c := b.conn()
	inLobby := func() ssh.Channel {
		ch := b.session(client)
		pty := ptyRequest{Term: "xterm", Cols: 80, Rows: 24}
		if ok, err := ch.SendRequest("pty-req", true, ssh.Marshal(pty)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, err := ch.SendRequest("shell", false, nil); err != nil {
			t.Fatal(err)
		}
		return ch
	}
	first, second := inLobby(), inLobby()
	if _, _, err := client.SendRequest("no-more-sessions@openssh.com", false, nil); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	tmuxtest.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.open == 1
	}, "one has ended")
	if _, _, err := client.OpenChannel("session", nil); err == nil {
		t.Error("there is one more session")
	}
	text := heard(second)
	if _, err := second.Write([]byte("q\r")); err != nil {
		t.Error(err)
	}
	if s := <-text; !strings.Contains(s, "you are alice") {
		t.Errorf("the other session has heard %q", s)
	}
}

// heard reads all that comes over a channel.
func heard(ch ssh.Channel) <-chan string {
	all := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(ch)
		all <- string(text)
	}()
	return all
}

// TestNothingIsShownLater: somebody holds up what a listing prints, by beginning an
// exchange of keys that she does not go on with, or by not reading. When what it
// rested on was taken back, she may go on, and hears nothing of it.
func TestNothingIsShownLater(t *testing.T) {
	t.Run("keys are exchanged", func(t *testing.T) {
		b := newBed(t, nil, 1)
		b.asked = make(chan struct{})
		v := newValve(false)
		client := b.dial(v, ssh.Config{RekeyThreshold: 16 << 10})
		c, ch := b.conn(), b.session(client)
		text := heard(ch)
		_, _, _ = client.SendRequest(keepalive, false, make([]byte, 20<<10)) // the next begins an exchange
		begun := c.way.begun.Load()
		v.shut(2)
		_, _ = ch.SendRequest("shell", false, nil)
		tmuxtest.Eventually(t, func() bool { return c.way.begun.Load() > begun }, "an exchange begins")
		close(b.asked)
		tmuxtest.Eventually(t, func() bool { return inside("(*conn).onItsWay") || b.wrote(access.EventOutcome) }, "it is printed")
		c.withdraw(t)
		v.open()
		b.gone(c)
		if s := <-text; strings.Contains(s, "SECRET") {
			t.Errorf("afterwards she hears %.200q", s)
		}
	})
	t.Run("nothing is read", func(t *testing.T) { unread(t, "shell", nil) })
	t.Run("nothing is read in control mode", func(t *testing.T) {
		unread(t, "exec", ssh.Marshal(struct{ Line string }{"tmux -C list-sessions"}))
	})
}

// unread asks for something and does not read it until what it rests on is taken back.
func unread(t *testing.T, request string, payload []byte) {
	b := newBed(t, nil, 400)
	v := newValve(true)
	client := b.dial(v, ssh.Config{})
	c, ch := b.conn(), b.session(client)
	text := heard(ch)
	v.deaf()
	_, _ = ch.SendRequest(request, false, payload)
	still, wrote := 0, int64(0)
	tmuxtest.Eventually(t, func() bool { // and nothing moves any more
		if now := c.nc.wrote.Load(); c.nc.unsent() == 0 || now != wrote {
			still, wrote = 0, now
		}
		still++
		return still > 10
	}, "she is being written to")
	c.withdraw(t)
	if n := c.nc.unsent(); n > 0 {
		t.Errorf("the kernel holds %d bytes that she may have yet", n)
	}
	then := c.nc.wrote.Load()
	v.open()
	b.gone(c)
	if n := c.nc.wrote.Load() - then; n > 0 {
		t.Errorf("afterwards %d bytes were written to her", n)
	}
	if s := <-text; len(s) > 300<<10 {
		t.Errorf("she has heard %d bytes", len(s))
	}
}

// TestNothingIsDrawnBehindTheEnd: who was about to draw, or to read, when the terminal
// was given back does so no more.
func TestNothingIsDrawnBehindTheEnd(t *testing.T) {
	in, out := newInbox(), newOutbox(io.Discard, io.Discard)
	x := newTerminal(in, out, 0x7f, out.flush, func() {}, nil)
	if err := x.Enter(); err != nil {
		t.Fatal(err)
	}
	in.buf = []byte("typed")
	out.mu.Lock()
	in.mu.Lock()
	drawn, read, left := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { _, err := x.TryWrite([]byte("late")); drawn <- err }()
	go func() { _, err := x.Read(make([]byte, 9), nil); read <- err }()
	tmuxtest.Eventually(t, func() bool { return inside("(*terminal).TryWrite") && inside("(*terminal).Read") }, "they are about to")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { left <- x.Leave(ctx, attach.Leaving{}) }()
	tmuxtest.Eventually(t, x.away.Load, "the terminal is being left")
	in.mu.Unlock()
	out.mu.Unlock()
	for _, err := range []error{<-drawn, <-read} {
		if !errors.Is(err, attach.ErrAway) {
			t.Errorf("it goes on: %v", err)
		}
	}
	cancel() // nothing is written in this test
	<-left
}

// TestTerminalIsOnesAtATime: who had the terminal before, and has got stuck, neither
// ends nor draws what comes after.
func TestTerminalIsOnesAtATime(t *testing.T) {
	x := &session{in: newInbox(), out: newOutbox(io.Discard, io.Discard)}
	x.term = newTerminal(x.in, x.out, 0x7f, nil, nil, nil)
	c := &client{x: x}
	take := func() attach.Terminal {
		s, err := c.Screen()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Enter(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := take()
	x.term.resize(100, 30, 0, 0)
	now := take()
	for _, err := range []error{old.SetReadDeadline(longAgo), old.Leave(t.Context(), attach.Leaving{Discard: true, Text: "gone"}), old.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := old.Enter(); !errors.Is(err, attach.ErrAway) {
		t.Errorf("it is entered again: %v", err)
	}
	if _, err := old.TryWrite([]byte("x")); !errors.Is(err, attach.ErrAway) {
		t.Errorf("it is written to: %v", err)
	}
	x.in.mu.Lock()
	x.in.buf = []byte("typed")
	x.in.mu.Unlock()
	p := make([]byte, 9)
	if n, err := now.Read(p, nil); string(p[:n]) != "typed" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	if size, _ := now.Window(); size.Cols != 100 || !x.in.deadline.IsZero() || x.out.size != 0 {
		t.Errorf("%+v, deadline %v, %d bytes to be shown", size, x.in.deadline, x.out.size)
	}
}

// TestDropped: what was thrown away is gone when the network has taken what was under
// way, and no sooner; a terminal that was given back is let alone.
func TestDropped(t *testing.T) {
	r, w := io.Pipe() // nobody reads yet
	out := newOutbox(w, w)
	go out.run()
	old := newTerminal(newInbox(), out, 0x7f, out.flush, nil, nil)
	x := old.again()
	if err := x.Enter(); err != nil {
		t.Fatal(err)
	}
	under := func() bool { out.mu.Lock(); defer out.mu.Unlock(); return out.flying > 0 }
	if _, err := x.TryWrite([]byte("under way")); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, under, "it is being written")
	if _, err := x.TryWrite([]byte("a picture")); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := errors.Join(x.Drop(), x.Gone(short)); !errors.Is(err, errNotRead) {
		t.Errorf("it is gone while something is under way: %v", err)
	}
	if _, err := x.TryWrite([]byte(", and after")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(old.Drop(), old.Gone(short)); err != nil {
		t.Errorf("who had the terminal before: %v", err)
	}
	got := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(r)
		got <- string(all)
	}()
	ctx, stop := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer stop()
	if err := x.Gone(ctx); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	if all := <-got; all != "under way, and after" {
		t.Errorf("the other end has %q", all)
	}
	out.close()
}

// inside reports whether a goroutine is in a function now.
func inside(function string) bool {
	buf := make([]byte, 1<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), function+"(")
}

// withdraw takes back what a connection's person may see, and waits until that has
// come to its end.
func (c *conn) withdraw(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer cancel()
	rep := c.s.Gateway.Reconsider(ctx, c.who.Person(), "enough")
	if len(rep.Unconfirmed) > 0 {
		t.Errorf("%+v", rep)
	}
}
