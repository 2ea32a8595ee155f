package guard

import (
	"maps"
	"slices"
	"sync"
)

// dialed is a connection to a tmux server. Its numbers are from one row: when it was begun,
// and when it was there; 0 until then.
type dialed struct {
	began, there uint64
	of           string // whose command is to be asked over it, "" for nobody's
}

// backlog has the connections to a server of which it is not known that it has accepted
// them. tmux accepts the oldest first, and of whom it answers it has accepted: all who were
// there before that one was begun are accepted, too. Loose are those of which it is not known
// that it has come to what was asked over them: that may lie there, unread. Of those that we have
// closed meanwhile, as a client may do by the thousand, there is only how many they were, ended,
// and of how many of them it was confirmed.
type backlog struct {
	mu         sync.Mutex
	next       uint64
	lie, loose map[*dialed]bool

	ended, confirmed uint64
	// did is over how many of them something was done, and settled of how many it is known that
	// what was typed by that has come to the programs in panes.
	did, settled uint64
	// left are the people of whom a command was closed while it was loose, and when that was the last time: their
	// permit is over, and the command lies there; and those of whom one has come to be done while there was no
	// control client that knows of it.
	left map[string]uint64
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

// asks is called before anything is sent over a connection that is to be done.
func (b *backlog) asks(d *dialed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.loose == nil {
		b.loose = map[*dialed]bool{}
	}
	b.loose[d] = true
}

// came is called once the server has come to what was asked over a connection, and closed when
// we have closed it.
func (b *backlog) came(d *dialed) {
	b.fasten(d, &b.did)
}

// acted gives over how many something was done, and says whether any of that is not settled.
func (b *backlog) acted() (did uint64, fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.did, b.did > b.settled
}

// settles is called once that is settled of so many.
func (b *backlog) settles(did uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settled = max(b.settled, did)
}

func (b *backlog) closed(d *dialed) {
	if b.fasten(d, &b.ended) && d.of != "" {
		b.leave(d.of)
	}
}

// leave notes that something of somebody's was left.
func (b *backlog) leave(person string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == nil {
		b.left = map[string]uint64{}
	}
	b.next++
	b.left[person] = b.next
}

// fasten has one be loose no more, counts it if it was, and says so.
func (b *backlog) fasten(d *dialed, count *uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loose[d] {
		return false
	}
	delete(b.loose, d)
	*count++
	return true
}

// owing gives the people of whom something was left, and owes says whether somebody is one of them.
func (b *backlog) owing() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.left))
}

func (b *backlog) owes(person string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left[person] > 0
}

// now is the number of what was last.
func (b *backlog) now() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// ends gives how many were closed while they were loose, over which nothing new comes, and says
// whether any are loose.
func (b *backlog) ends() (ended uint64, loose bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended, len(b.loose) > 0 || b.confirmed < b.ended
}

// confirms is called once the server has come to what was asked over so many that were closed, and
// to what was left by then.
func (b *backlog) confirms(ended, by uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.confirmed = max(b.confirmed, ended)
	maps.DeleteFunc(b.left, func(_ string, at uint64) bool { return at <= by })
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
