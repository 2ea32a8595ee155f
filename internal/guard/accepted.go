package guard

import "sync"

// dialed is a connection to a tmux server. Its numbers are from one row: when it was begun,
// and when it was there; 0 until then.
type dialed struct{ began, there uint64 }

// backlog has the connections to a server of which it is not known that it has accepted
// them. tmux accepts the oldest first, and of whom it answers it has accepted: all who were
// there before that one was begun are accepted, too.
type backlog struct {
	mu   sync.Mutex
	next uint64
	lie  map[*dialed]bool
}

// begin is called before a connection is made, and connected or failed behind it.
func (b *backlog) begin() *dialed {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lie == nil {
		b.lie = map[*dialed]bool{}
	}
	b.next++
	d := &dialed{began: b.next}
	b.lie[d] = true
	return d
}

func (b *backlog) connected(d *dialed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	d.there = b.next
}

// failed: nobody can send anything over it.
func (b *backlog) failed(d *dialed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.lie, d)
}

// answered is called once something has come over a connection.
func (b *backlog) answered(d *dialed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for other := range b.lie {
		if other == d || other.there != 0 && other.there < d.began {
			delete(b.lie, other)
		}
	}
}

// empty reports whether every connection was accepted.
func (b *backlog) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lie) == 0
}
