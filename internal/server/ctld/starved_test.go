package ctld

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// starved finds out about nobody, for a reason.
type starved struct {
	*identity.Prover
	why error
}

func (s starved) Prove(context.Context, *identity.Peer, string, bool) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("read the accounts: %w", s.why)
}

// TestStarved: who is known, and cannot be found out about for want of descriptors, hears that. Other reasons are
// nobody's to hear.
func TestStarved(t *testing.T) {
	for why, want := range map[error]error{
		unix.EMFILE: errStarved, unix.ENFILE: errStarved, unix.EIO: errUnknown, errors.New("SECRET"): errUnknown,
	} {
		d := newDoorOf(t, &Server{Prover: starved{identity.NewProver(everybody{}), why}})
		if err := (Call{Act: "status"}).Do(soon(t), d.path, nil); err == nil || err.Error() != want.Error() {
			t.Errorf("%v: they hear %v", why, err)
		}
	}
}

// hungry finds out about whoever comes when there are descriptors again.
type hungry struct {
	*identity.Prover
	held, proved atomic.Int32
}

func (h *hungry) Hold(conn *net.UnixConn) (*identity.Peer, error) {
	if h.held.Add(1) < 3 {
		return nil, unix.EMFILE
	}
	return h.Prover.Hold(conn)
}

func (h *hungry) Prove(ctx context.Context, peer *identity.Peer, door string, freezing bool) (identity.Identity, error) {
	if h.proved.Add(1) < 3 {
		return identity.Identity{}, unix.ENFILE
	}
	return h.Prover.Prove(ctx, peer, door, freezing)
}

// TestFedAgain: for whom there were none for a moment, is served.
func TestFedAgain(t *testing.T) {
	d := newDoorOf(t, &Server{
		Prover: &hungry{Prover: identity.NewProver(everybody{})},
		Acts:   func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("heard") },
	})
	if err := (Call{Act: "status"}).Do(soon(t), d.path, nil); err == nil || err.Error() != "heard" {
		t.Errorf("they hear %v", err)
	}
}

// fasting notes how long there were no descriptors for a request, and how long it has when it is proved.
type fasting struct {
	hungry
	first       time.Time
	waited, has time.Duration
}

func (h *fasting) Hold(conn *net.UnixConn) (*identity.Peer, error) {
	if h.held.Load() == 0 {
		h.first = time.Now()
	}
	peer, err := h.hungry.Hold(conn)
	h.waited = time.Since(h.first)
	return peer, err
}

func (h *fasting) Prove(ctx context.Context, peer *identity.Peer, door string, freezing bool) (identity.Identity, error) {
	end, _ := ctx.Deadline()
	h.has = time.Until(end)
	return h.hungry.Prove(ctx, peer, door, freezing)
}

// TestLockdownWaitsNoLonger: a lockdown that waits for descriptors first has that much less time for the rest.
func TestLockdownWaitsNoLonger(t *testing.T) {
	h := &fasting{hungry: hungry{Prover: identity.NewProver(everybody{})}}
	d := newDoorOf(t, &Server{Prover: h, Acts: func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("heard") }})
	if err := (Call{Act: lockdown}).Do(soon(t), d.path, nil); err == nil || err.Error() != "heard" {
		t.Errorf("they hear %v", err)
	}
	if h.waited <= 0 || h.has <= 0 || h.has > lockdownTime-h.waited {
		t.Errorf("it has waited for %v, and has %v, of %v", h.waited, h.has, lockdownTime)
	}
}

// TestRoomMadeWhereFewAre: where descriptors are few nobody comes in the place of one who has made room before that one
// is over; then they do.
func TestRoomMadeWhereFewAre(t *testing.T) {
	for _, over := range []bool{true, false} {
		s := &Server{Complain: func(string) {}, Room: &crowd.Room{}}
		for n := 1 << 30; n > 0; { // all that are not kept back
			if _, ok := s.Room.Take(n); !ok {
				n /= 2
			}
		}
		if over {
			s.within = tmuxtest.Patience
		}
		as := comers(t, s)
		most := crowd.Few(crowd.Bounds{}).Loose
		refused := 0
		for i := range 3 * most {
			done := make(chan struct{})
			if !over {
				t.Cleanup(func() { close(done) })
			}
			ctx, end := context.WithCancelCause(t.Context())
			c, err := as(uint32(100000+i), end, done)
			if err != nil {
				refused++
				continue
			}
			context.AfterFunc(ctx, func() {
				if over {
					time.Sleep(time.Millisecond) // it takes a moment, as all do
					c.proved()
					close(done)
				}
			})
		}
		if n := s.hanging.Load(); n > 1 {
			t.Errorf("over: %v: it was waited for %d that hang", over, n)
		}
		if n := s.proofs.Len(); n != most || over != (refused == 0) {
			t.Errorf("over: %v: %d are being proved, of %d, and %d were refused", over, n, most, refused)
		}
	}
}

// comers has others come to a server, each as a uid.
func comers(t *testing.T, s *Server) func(uid uint32, end context.CancelCauseFunc, done <-chan struct{}) (*caller, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "ctl"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return func(uid uint32, end context.CancelCauseFunc, done <-chan struct{}) (*caller, error) {
		t.Helper()
		client, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		conn, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return s.enter(conn, uid, end, done)
	}
}
