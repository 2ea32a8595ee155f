package executor

import (
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// closable is a display of which only the end matters.
type closable struct {
	attach.Display
	closed atomic.Int32
}

func (d *closable) Close() error { d.closed.Add(1); return nil }

// seenOff is a seat with a display and a connection whose other end it gives.
func seenOff(t *testing.T) (*seat, *closable, *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "end")
		c, err := net.FileConn(f)
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		ends[i] = c.(*net.UnixConn)
	}
	t.Cleanup(func() { _ = ends[1].Close() })
	d := &closable{}
	s := &seat{e: &Executor{}, server: moored{named: func() {}}, conn: wire.NewClient(ends[0], wire.Unknown), heard: make(chan struct{})}
	s.display, s.goes.display = lastDisplay{d, s}, d
	close(s.heard)
	return s, d, ends[1]
}

// A display that is closed while others are waited for goes behind that, once, and is waited
// for until the server has let it go.
func TestDisplayGoesBehind(t *testing.T) {
	s, d, server := seenOff(t)
	s.mayGoLate()
	ctx, goOn := gateway.Behind(t.Context())
	if !s.closesLate() || s.closesLate() {
		t.Fatal("it is not put off, or twice")
	}
	gateway.Afterwards(ctx, s.goesLate)
	if err := s.display.Close(); err != nil || d.closed.Load() != 0 || s.conn.Err() != nil {
		t.Fatalf("it has gone already: %v, %d times, %v", err, d.closed.Load(), s.conn.Err())
	}
	goOn()
	tmuxtest.Eventually(t, func() bool { return d.closed.Load() == 1 }, "the display is closed")
	_ = server.Close() // as tmux does when it sees that
	select {
	case <-s.putOff():
	case <-time.After(tmuxtest.Patience):
		t.Fatal("nobody hears that it has gone")
	}
	if s.conn.Err() == nil || d.closed.Load() != 1 {
		t.Errorf("%v, closed %d times", s.conn.Err(), d.closed.Load())
	}
}

// Nobody waits for ever for a server that does not let it go; and one of which nothing is heard
// yet, or that has parted, goes at once.
func TestDisplayGoesAnyhow(t *testing.T) {
	s, d, _ := seenOff(t)
	s.mayGoLate()
	if !s.closesLate() {
		t.Fatal("it is not put off")
	}
	gateway.Afterwards(t.Context(), s.goesLate) // nobody waits for anything: it goes now
	<-s.putOff()
	if s.conn.Err() == nil || d.closed.Load() != 1 {
		t.Errorf("%v, closed %d times", s.conn.Err(), d.closed.Load())
	}
	for _, at := range []func(*seat){
		func(*seat) {},
		func(s *seat) { s.mayGoLate(); s.parted = true },
		func(s *seat) { s.mayGoLate(); s.goes.keyed = true }, // by addressed input: they were moved there just then
	} {
		s, d, _ := seenOff(t)
		at(s)
		if s.closesLate() {
			t.Error("it is put off")
		}
		if err := s.display.Close(); err != nil || d.closed.Load() != 1 {
			t.Errorf("%v, closed %d times", err, d.closed.Load())
		}
		_ = s.conn.Close()
	}
}

// A server that lets no display go holds up the first one that goes, and no other; those of another
// server go meanwhile. Whose display sizes windows goes first.
func TestDisplaysGoInRows(t *testing.T) {
	const many = 2 * int(tmuxtest.Patience/seenTime)
	var d departures
	late := func() (*seat, *closable) {
		s, display, _ := seenOff(t)
		if s.mayGoLate(); !s.closesLate() {
			t.Fatal("it is not put off")
		}
		return s, display
	}
	var all []*seat
	for range many {
		s, _ := late()
		all = append(all, s)
	}
	sizing := all[many/2]
	sizing.resizes.Store(true)
	d.rows = map[string][]*seat{"alice": slices.Clone(all)}
	if first := d.next("alice"); first != sizing {
		t.Error("another goes before the one that sizes windows")
	} else {
		d.rows["alice"] = append(d.rows["alice"], first)
	}
	go d.run("alice")
	other, display := late()
	d.add("bob", other)
	tmuxtest.Eventually(t, func() bool { return display.closed.Load() == 1 }, "the other server's goes")
	gone := func(s *seat) bool {
		select {
		case <-s.putOff():
			return true
		default:
			return false
		}
	}
	tmuxtest.Eventually(t, func() bool { return !slices.ContainsFunc(all, func(s *seat) bool { return !gone(s) }) }, "all have gone")
	tmuxtest.Eventually(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.rows) == 0 }, "nobody sees to them any more")
}
