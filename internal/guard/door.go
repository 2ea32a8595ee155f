package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/passed"
)

// doorTime is how long a door may take to be opened or closed.
const doorTime = 5 * time.Second

// Door is a socket that stock tmux clients connect to, in a place that the hands watch
// over. One that was deleted, replaced or changed is put back; whoever accepts does not
// notice.
type Door struct {
	g     *Guard
	place keep.Place
	path  string
	uid   uint32

	away   passed.Away // what nobody has accepted at l
	mu     sync.Mutex
	l      net.Listener // a *net.UnixListener
	of     uint64       // the generation that l is of
	opened bool         // what generation it is was heard
	closed bool
}

// Path is where clients find the door.
func (d *Door) Path() string { return d.path }

// UID is the account the door is for.
func (d *Door) UID() uint32 { return d.uid }

// Accept waits for the next connection. After Close it gives net.ErrClosed.
func (d *Door) Accept() (*net.UnixConn, error) {
	for {
		d.mu.Lock()
		l, closed := d.l, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := l.Accept()
		if err == nil {
			return conn.(*net.UnixConn), nil
		}
		if !errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		// The listener was replaced, or the door closed: look again.
	}
}

// listen has connections accepted at f from now on: the first socket of a generation, or
// one that has taken its place. Either may come first, and what is of another opening of the
// door does not count.
func (d *Door) listen(f *os.File, generation uint64, first bool) error {
	l, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("listen at the door: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	stale := d.opened && generation != d.of
	if first {
		stale = d.l != nil && generation == d.of // it was replaced before this came
		d.opened = true
	}
	if d.closed || stale {
		d.away.Soon(l)
		return nil
	}
	if d.l != nil {
		d.away.Soon(d.l)
	}
	d.l, d.of = l, generation
	return nil
}

// forget stops listening, and reports whether it was done before.
func (d *Door) forget() bool {
	d.g.mu.Lock()
	if d.g.doors[d.place] == d { // the next one may be open there already
		delete(d.g.doors, d.place)
	}
	d.g.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return true
	}
	d.closed = true
	if d.l != nil {
		d.away.Soon(d.l)
	}
	return false
}

// Close stops listening and removes the socket. The directory stays.
func (d *Door) Close() error {
	if d.forget() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), doorTime)
	defer cancel()
	if err := d.g.hands.CloseDoor(ctx, d.place); !errors.Is(err, keep.ErrClosed) {
		return err
	}
	return nil // they close all doors
}

// OpenDoor opens the door at which the account's plain tmux looks:
// DOORS/tmux-UID/default.
func (g *Guard) OpenDoor(a identity.Account) (*Door, error) {
	ctx, cancel := context.WithTimeout(g.ctx, doorTime)
	defer cancel()
	return g.openDoor(ctx, keep.Place{Account: keep.Account{Name: a.Name, UID: a.UID}})
}

func nameOf(p keep.Place) string {
	if p.Server != "" {
		return "the inner door of the tmux server " + p.Server
	}
	return fmt.Sprintf("the door of uid %d", p.Account.UID)
}

func (g *Guard) openDoor(ctx context.Context, p keep.Place) (*Door, error) {
	d := &Door{g: g, place: p}
	g.mu.Lock()
	if g.doors[p] != nil {
		g.mu.Unlock()
		return nil, fmt.Errorf("open %s: it is open already", nameOf(p))
	}
	g.doors[p] = d // so that its replacement finds it, however soon that comes
	g.mu.Unlock()
	out, err := g.hands.OpenDoor(ctx, p)
	if err != nil {
		d.forget()
		return nil, err
	}
	d.path, d.uid = out.Path, out.UID
	if err := d.listen(out.Listen, out.Generation, true); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
