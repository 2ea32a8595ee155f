package executor

import (
	"net"
	"os"
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
	s := &seat{conn: wire.NewClient(ends[0], wire.Unknown), heard: make(chan struct{})}
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
	gateway.Afterwards(ctx, s.seesOff)
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
	gateway.Afterwards(t.Context(), s.seesOff) // nobody waits for anything: it goes now
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
