package attach

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
)

// Revocation while somebody types: once Stop returned, no byte more arrives.
func TestAfterStopNothingFlows(t *testing.T) {
	for _, mode := range []Mode{Direct, Addressed} {
		t.Run(mode.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			for range soak.N(1000, 30) {
				p := newPerson(t, Size{80, 24}, false)
				at := attach(t, p, mode)
				at.program.draws("\x1b[?1049hbegin")
				eventually(t, "begin", contains(p.screen, "begin"))
				stop := make(chan struct{})
				busy := make(chan struct{}, 2)
				go func() {
					for {
						select {
						case <-stop:
							busy <- struct{}{}
							return
						default:
							_, _ = p.pty.TryWrite([]byte("k"))
							_, _ = at.program.f.WriteString("out ")
						}
					}
				}()
				for range r.IntN(2000) {
					at.Stats()
				}
				at.gate.set(errors.New("revoked"), errors.New("revoked"))
				if err := at.Stop(context.Background(), "revoked"); err != nil {
					t.Error(err)
				}
				shown, typed := at.Stats().Shown, len(at.sink.all())
				queued := at.queued()
				close(stop)
				<-busy
				_ = at.wait()
				if now := at.Stats().Shown; now != shown {
					t.Errorf("%d bytes shown after Stop", now-shown)
				}
				if now := len(at.sink.all()); now != typed {
					t.Errorf("%d bytes of events after Stop", now-typed)
				}
				if queued > 0 {
					t.Errorf("%d bytes in the display's input", queued)
				}
				p.untouched("revoked")
			}
		})
	}
}

// queued is how much waits in the display's input. The program reads all the
// time, so this is only what came after a flush.
func (at *attached) queued() (n int) {
	conn, err := at.program.f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n
}

// TM-23: keys wait in the display because tmux does not read; Freeze and Stop
// throw them away.
func TestFreezeForgetsWhatWasTyped(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	tty := p.tty(nil)
	d, err := OpenPty(Size{})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := d.Peer()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	g := &gate{}
	a, err := New(Config{Terminal: tty, Display: d, Gate: g, Mode: Direct, Redraw: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()
	waiting := func() (n int) {
		conn, err := peer.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		return n
	}
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types(strings.Repeat("rm -rf /\r", 450)) // 4 KiB
	eventually(t, "keys wait", func() error {
		if waiting() < 4000 {
			return errors.New("few")
		}
		return nil
	})
	g.set(ErrFrozen, nil)
	if err := a.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := waiting(); n != 0 {
		t.Errorf("%d bytes still wait", n)
	}
	p.types("frozen")
	g.set(nil, nil)
	if err := a.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.typesUntil("thawed", "thawed", func() error {
		if waiting() < len("thawed") {
			return errors.New("nothing")
		}
		return nil
	})
	buf := make([]byte, 100)
	n, err := peer.Read(buf)
	if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, "thawed") {
		t.Errorf("the display has %q, %v", got, err)
	}
	if err := a.Stop(context.Background(), ""); err != nil {
		t.Error(err)
	}
	<-done
}

// Keys that are already read, and wait here because tmux does not read: Freeze
// makes them worthless, also if the Gate opens again at once.
func TestFreezeForgetsWhatWaitsHere(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	d, err := OpenPty(Size{})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := d.Peer()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	a, err := New(Config{Terminal: p.tty(nil), Display: d, Gate: &gate{}, Mode: Direct, Redraw: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()
	eventually(t, "raw mode", func() error { return rawMode(p) })
	full := func() error {
		_, _ = p.pty.TryWrite(bytes.Repeat([]byte("rm -rf / "), 500))
		n := -1
		p.withFD(func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.TIOCINQ) })
		if n < 4000 {
			return errors.New("it still takes keys")
		}
		return nil
	}
	eventually(t, "the display is full", full)
	if err := a.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.typesUntil("THAWED", "a key after it", func() error {
		conn, err := peer.SyscallConn()
		if err != nil {
			return err
		}
		n := 0
		_ = conn.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		if n == 0 {
			return errors.New("nothing")
		}
		return err
	})
	var got []byte
	for buf := make([]byte, 4096); !bytes.Contains(got, []byte("THAWED")); {
		n, err := peer.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if n := bytes.Index(got, []byte("THAWED")); n > 0 {
		t.Errorf("%d bytes from before came first", n)
	}
	if err := a.Stop(context.Background(), ""); err != nil {
		t.Error(err)
	}
	<-done
}

func TestFreezeForgetsHalfAKey(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed, func(c *Config) { c.Keys.EscapeTime = time.Hour })
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("x\x1b")
	eventually(t, "x", contains(at.sink.all, "x"))
	if err := at.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.typesUntil("[A", "the rest", contains(at.sink.all, "keys  [A"))
}

// TM-23: an owner who loses a verb while keys lie in the display falls back to
// addressed input; what was typed before is not executed either way.
func TestLosingDirectInputForgetsWhatWasTyped(t *testing.T) {
	for range soak.N(1000, 20) {
		p := newPerson(t, Size{80, 24}, false)
		at := attach(t, p, Direct)
		at.program.draws("ready")
		eventually(t, "ready", contains(p.screen, "ready"))
		at.gate.set(ErrFrozen, nil)
		p.types("typed while frozen")
		if err := at.SetMode(context.Background(), Addressed, Guest()); err != nil {
			t.Fatal(err)
		}
		at.gate.set(nil, nil)
		before := len(at.program.input())
		eventually(t, "addressed", func() error {
			p.types("k")
			return contains(at.sink.all, "k")()
		})
		if bytes.Contains(at.sink.all(), []byte("frozen")) {
			t.Errorf("delivered %q", at.sink.all())
		}
		if n := len(at.program.input()); n != before {
			t.Errorf("the display got %q", at.program.input())
		}
		eventually(t, "shown", func() error {
			at.program.draws("\x1b]0;title\ashown") // until the redraw, frames are dropped
			return contains(p.screen, "shown")()
		})
		if bytes.Contains(p.screen(), []byte("title")) {
			t.Error("the owner's policy is still in force")
		}
		if err := at.Stop(context.Background(), ""); err != nil {
			t.Error(err)
		}
	}
}

// What the filter let through for an owner, and what waits for a slow terminal
// since then, is not shown to the guest they have become.
func TestLosingDirectInputForgetsWhatWasDrawn(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Direct)
	at.program.draws("ready")
	eventually(t, "ready", contains(p.screen, "ready"))
	inGate, goOn := make(chan struct{}), make(chan struct{})
	at.gate.hold(func() {
		close(inGate)
		<-goOn
	})
	at.program.draws("\x1b]0;title\aold")
	<-inGate // filtered by the owner's policy, not shown yet
	if err := at.SetMode(context.Background(), Addressed, Guest()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
	close(goOn)
	eventually(t, "new", func() error {
		at.program.draws("new") // as tmux does at each redraw
		return contains(p.screen, "new")()
	})
	if bytes.Contains(p.screen(), []byte("title")) || bytes.Contains(p.screen(), []byte("old")) {
		t.Errorf("shown: %q", p.screen())
	}
}

// A log that does not answer holds up nobody's revocation: Stop returns, and
// what was being recorded meanwhile is not delivered.
func TestStopDoesNotWaitForTheLog(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	answers, asked := make(chan error), make(chan struct{}, 1)
	at := attach(t, p, Addressed, func(c *Config) {
		c.Sink.(*sink).prepare = func(Event) error {
			asked <- struct{}{}
			return <-answers
		}
	})
	p.types("k")
	<-asked
	if err := at.Stop(context.Background(), "revoked"); err != nil {
		t.Error(err)
	}
	answers <- nil
	if err := at.wait(); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	if got := at.sink.all(); len(got) > 0 {
		t.Errorf("delivered %q", got)
	}
}

// What cannot be recorded is not delivered.
func TestWhatIsNotPreparedIsDropped(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	full := make(chan struct{})
	at := attach(t, p, Addressed, func(c *Config) {
		c.Sink.(*sink).prepare = func(e Event) error {
			if string(e.Bytes) == "a" {
				close(full)
				return errors.New("the disk is full")
			}
			return nil
		}
	})
	p.types("a")
	<-full
	eventually(t, "b", func() error {
		p.types("b")
		return contains(at.sink.all, "b")()
	})
	if bytes.Contains(at.sink.all(), []byte("a")) {
		t.Errorf("delivered %q", at.sink.all())
	}
}
