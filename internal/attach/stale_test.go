package attach

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// late is a gate that cannot tell for a while: then, once, it says so.
type late struct {
	*gate
	asked atomic.Int32
	each  func(n int32) error // nil: it is let through
}

func (g *late) Output(f func() error) error {
	if err := g.each(g.asked.Add(1)); err != nil {
		return err
	}
	return g.gate.Output(f)
}

// lately attaches somebody by a late gate, which has its say when the display has drawn something.
func lately(t *testing.T, p *person, each func(at *attached, n int32) error) *attached {
	t.Helper()
	var at *attached
	ready := make(chan struct{})
	at = attach(t, p, Addressed, func(c *Config) {
		c.Gate = &late{gate: c.Gate.(*gate), each: func(n int32) error {
			<-ready
			return each(at, n)
		}}
	})
	close(ready)
	return at
}

// drawsTo has the program draw what is then there to be read.
func (at *attached) drawsTo(s string) {
	at.t.Helper()
	at.program.draws(s)
	eventually(at.t, "it is there to be read", func() error {
		if n, err := unix.IoctlGetInt(at.program.pty.fd, unix.TIOCINQ); err != nil || n < len(s) {
			return errors.Join(errors.New("not yet"), err)
		}
		return nil
	})
}

func (at *attached) redrawn() {
	at.t.Helper()
	eventually(at.t, "a redraw", func() error {
		select {
		case <-at.redraws:
			return nil
		default:
			return errors.New("none")
		}
	})
}

// Nothing is shown of what was drawn while the gate could not tell: neither what it was asked about, nor what was not read
// by then, nor what tmux kept until there was room. All is drawn anew, though the display draws nothing more by itself.
func TestStale(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := lately(t, p, func(at *attached, n int32) error {
		switch n {
		case 1:
			at.drawsTo("old-unread")
			return ErrStale
		case 2:
			at.drawsTo("old-kept")
		case 3:
			return ErrStale // it could not tell again meanwhile
		}
		return nil
	})
	at.program.draws("old-asked")
	at.redrawn()
	at.program.draws("new")
	eventually(t, "what is drawn anew", contains(p.screen, "new"))
	if seen := string(p.screen()); strings.Contains(seen, "old") {
		t.Errorf("shown: %q", seen)
	}
	if lost := at.Stats().Lost; lost != uint64(len("old-asked"+"old-unread"+"old-kept")) {
		t.Errorf("%d bytes are lost", lost)
	}
}

// Who draws without end is not waited for.
func TestStaleWithoutEnd(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := lately(t, p, func(_ *attached, n int32) error {
		if n == 1 {
			return ErrStale
		}
		return nil
	})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = at.program.f.WriteString(strings.Repeat("drawn ", 500))
			}
		}
	}()
	at.redrawn()
	close(stop)
	<-stopped
}

// What a terminal has yet to take is dropped by that, too, and all drawn anew.
func TestStaleQueue(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	var stale atomic.Bool
	at := lately(t, p, func(*attached, int32) error {
		if stale.CompareAndSwap(true, false) {
			return ErrStale
		}
		return nil
	})
	at.program.draws(strings.Repeat("first ", 25000))
	at.program.draws("old")
	eventually(t, "it is queued", func() error {
		if at.out.mu.Lock(); !strings.HasSuffix(string(at.out.queue), "old") {
			at.out.mu.Unlock()
			return errors.New("not yet")
		}
		at.out.mu.Unlock()
		return nil
	})
	stale.Store(true)
	p.resume()
	at.redrawn()
	at.program.draws("new")
	eventually(t, "what is drawn anew", contains(p.screen, "new"))
	if strings.Contains(string(p.screen()), "old") {
		t.Error("the rest of what was queued is shown")
	}
}

// Of what a picture covers nothing is drawn anew before that is taken away.
func TestStaleUnderACover(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	var stale atomic.Bool
	at := lately(t, p, func(*attached, int32) error {
		if stale.CompareAndSwap(true, false) {
			return ErrStale
		}
		return nil
	})
	at.program.draws("first")
	eventually(t, "first", contains(p.screen, "first"))
	if !at.Cover([]byte("picture"), Size{80, 24}, true) {
		t.Fatal("not covered")
	}
	stale.Store(true)
	at.program.draws("old")
	eventually(t, "it is dropped", func() error {
		if at.Stats().Lost == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if !at.Covered() || len(at.redraws) > 0 {
		t.Errorf("covered is %v, redrawn %d times", at.Covered(), len(at.redraws))
	}
}
