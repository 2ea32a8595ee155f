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

// maxHanging is how many sockets of a door may have been replaced and not let themselves be closed, each of which
// has a thread.
const maxHanging = 16

// Door is a socket that stock tmux clients connect to, in a place that the hands watch
// over. One that was deleted, replaced or changed is put back; whoever accepts does not
// notice.
type Door struct {
	g     *Guard
	place keep.Place
	path  string
	uid   uint32

	away    passed.Away // what nobody has accepted at l
	mu      sync.Mutex
	l       *mouth
	of      uint64 // the generation that l is of
	opened  bool   // what generation it is was heard
	closed  bool
	hanging int // sockets at which nobody listens any more, and that are being closed
}

// mouth is a socket at which somebody waits who does not have to close it: what lies there may keep them
// as long as whoever has passed it likes.
type mouth struct {
	*net.UnixListener
	waits sync.RWMutex // read by who accepts
	left  bool         // nobody is to accept any more; under waits
}

// next waits for a connection.
func (m *mouth) next() (*net.UnixConn, error) {
	m.waits.RLock()
	defer m.waits.RUnlock()
	if m.left {
		return nil, net.ErrClosed
	}
	return m.AcceptUnix()
}

// shut has nobody come there any more, and wakes who waits.
func (m *mouth) shut() {
	passed.Bar(m.UnixListener)
	_ = m.SetDeadline(time.Unix(1, 0))
}

// leave has nobody wait there any more, behind shut. Else the last one to leave would close it.
func (m *mouth) leave() {
	m.waits.Lock()
	defer m.waits.Unlock()
	m.left = true
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
		conn, err := l.next()
		if err == nil {
			return conn, nil
		}
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		// The listener was replaced, or the door closed: look again.
	}
}

// listen has connections accepted at f from now on: the first socket of a generation, or
// one that has taken its place. Either may come first, and what is of another opening of the
// door does not count.
func (d *Door) listen(f *os.File, generation uint64, first bool) error {
	at, err := net.FileListener(f)
	if err != nil {
		d.away.Put(f)
		return fmt.Errorf("listen at the door: %w", err)
	}
	_ = f.Close() // it is not the last one
	unixly, ok := at.(*net.UnixListener)
	if !ok {
		return errors.Join(errors.New("listen at the door: it is no socket of a path"), at.Close())
	}
	l := &mouth{UnixListener: unixly}
	d.mu.Lock()
	defer d.mu.Unlock()
	stale := d.opened && generation != d.of
	if first {
		stale = d.l != nil && generation == d.of // it was replaced before this came
		d.opened = true
	}
	if d.closed || stale {
		d.stop(l)
		return nil
	}
	if d.l != nil && d.hanging >= maxHanging {
		d.stop(l)
		go d.Close() // or the hands would go on to put it back
		return fmt.Errorf("%s was replaced again and again while %d sockets of it cannot be closed, as somebody has put into them what cannot: it is closed; start muxward again", d.path, d.hanging)
	}
	if d.l != nil {
		d.stop(d.l)
	}
	d.l, d.of = l, generation
	return nil
}

// stop stops listening, and waits for nothing that lies there. d.mu is held.
func (d *Door) stop(l *mouth) {
	l.shut()
	d.hanging++
	go func() {
		l.leave()
		_ = d.away.Close(l)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.hanging--
	}()
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
		d.stop(d.l)
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
