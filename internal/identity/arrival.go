package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// arrival is a process that sshd has started, for somebody who came by a forced command.
// It is held until it has ended for sure: who is forgotten too early would be cut off, or
// be taken for whoever it runs as.
type arrival struct {
	self   *heldProcess
	uid    uint32
	ticket *ticket // nil if they are the account that it runs as

	mu    sync.Mutex
	peers map[*Peer]bool // its connections
}

// join notes a connection of the process, until that is closed.
func (a *arrival) join(p *Peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peers[p] = true
	p.leave = func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.peers, p)
	}
}

// end ends its connections, and gives those of which nothing was told yet.
func (a *arrival) end(why error) (ended []*Peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range a.peers {
		p.end(why)
		if !p.overdue.Load() {
			ended = append(ended, p)
		}
	}
	return ended
}

// Arrive has a process that a forced command has started be what it came as, at every
// door, until it ends. If it was let in by a ticket, it and no other is the key's person,
// until the connection ends by which it came, or the key is not taken any more. Without
// one it is the account that it runs as, and offers no files.
func (t *Tickets) Arrive(who Identity) error {
	if who.IsNobody() || who.p.peer == nil {
		return errors.New("a forced command is a process of this host, of an account that is not lent")
	}
	self, err := hold(who.p.peer)
	if err != nil {
		return err
	}
	a := &arrival{self: self, uid: who.p.peer.uid, ticket: who.p.ticket, peers: map[*Peer]bool{}}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.admit(a); err != nil {
		self.close()
		return err
	}
	self.watch(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.left(a)
	})
	return nil
}

func (t *Tickets) admit(a *arrival) error {
	if old := t.came[a.self.pid]; old != nil {
		ended, err := old.self.ended()
		if err != nil {
			return err
		}
		if !ended {
			return errors.New("this process has come in already")
		}
		t.left(old)
	}
	if err := t.mayArrive(a); err != nil {
		return err
	}
	if t.came == nil {
		t.came = map[int]*arrival{}
	}
	t.came[a.self.pid] = a
	if a.ticket == nil {
		t.forced++
	}
	return nil
}

func (t *Tickets) mayArrive(a *arrival) error {
	if a.ticket != nil { // those are counted when the ticket is taken
		if t.logins[a.ticket.login.conn.process] != a.ticket.login {
			return errConnEnded
		}
		return t.stands(a.ticket)
	}
	n := 0
	for _, b := range t.came {
		if b.ticket == nil && b.uid == a.uid {
			n++
		}
	}
	if t.forced >= maxForced || n >= perAccount {
		return errors.New("too many are here by sshd already; try again later")
	}
	return nil
}

// left forgets a process that has ended, or may come in no more.
func (t *Tickets) left(a *arrival) {
	if t.came[a.self.pid] != a {
		return
	}
	delete(t.came, a.self.pid)
	a.self.close()
	if a.ticket == nil {
		t.forced--
	}
}

// Those who are nobody are told why.
var (
	errConnEnded = errors.New("the ssh connection that you came by has ended")
	errUnknown   = errors.New("muxward does not know who you are: this account is lent to those who log in by ssh, " +
		"and it may have begun anew since you did; log in again")
	errDoubt     = errors.New("it cannot be told whether a forced command has started this process, so it may do nothing now but lock down")
	errBeganAnew = errors.New("muxward began anew since you logged in; log in again")
)

// known makes of who a process is by its account what it is by how it came in.
func (t *Tickets) known(of *proof) (*proof, error) {
	t.mu.RLock() // until it has joined: Reconsider is to find it
	defer t.mu.RUnlock()
	a := t.came[of.pid]
	if a != nil {
		ended, err := a.self.ended()
		switch {
		case err != nil:
			return nil, err
		case ended:
			a = nil
		case !of.peer.Alive(): // if both live and have one id, they are one process
			return nil, ErrPeerGone
		}
	}
	switch {
	case a == nil && t.lent(of.account, of.uid):
		return of.nobody(errUnknown), nil
	case a == nil && of.doubt != nil:
		p := of.nobody(fmt.Errorf("%w: %w", errDoubt, of.doubt))
		p.undoubted = of
		return p, nil
	case a == nil && of.forced:
		return of.nobody(errBeganAnew), nil
	case a == nil:
		return of, nil
	case a.ticket == nil:
		of.doubt = nil // it is known how it came in
		of.streams = true
		return of, nil
	}
	if err := t.stands(a.ticket); err != nil {
		return of.nobody(fmt.Errorf("what you came with is not taken any more: %w", err)), nil
	}
	a.join(of.peer)
	return a.ticket.proof(of), nil
}

// nobody is a process of which is known only which one it is.
func (pr *proof) nobody(why error) *proof {
	p := *pr
	p.person, p.uid, p.gids, p.streams, p.why = "", noUID, nil, true, why
	return &p
}

// Reconsider ends the connections of those whose keys are not taken any more, or who came
// by an account that is a person's now, and waits until nothing is shown to them. The errors tell of what is not confirmed when ctx ends,
// once: it is not waited for again.
func (t *Tickets) Reconsider(ctx context.Context) []error {
	var open []error
	for _, p := range t.reconsider() {
		select {
		case <-p.stop: // whoever serves it has let go of it
			continue
		case <-ctx.Done():
		}
		select {
		case <-p.stop: // in the last moment
		default:
			p.overdue.Store(true)
			open = append(open, fmt.Errorf("process %d, that came by an sshd of the host, is being served still", p.pid))
		}
	}
	return open
}

func (t *Tickets) reconsider() (ended []*Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(false)
	for _, a := range t.came {
		if a.ticket == nil {
			continue
		}
		if err := t.stands(a.ticket); err != nil {
			ended = append(ended, a.end(fmt.Errorf("what you came with is not taken any more: %w", err))...)
		}
	}
	return ended
}

// sweep forgets what is over. A ticket is kept for a while longer, if there is room, to
// say of it what is wrong with it.
func (t *Tickets) sweep(crowded bool) {
	now := t.Now()
	for _, l := range t.logins {
		late := !l.taken && !now.Before(l.ticket.expires)
		ended, _ := l.conn.ended() // what nobody knows has not
		if ended || late && (crowded || now.After(l.ticket.expires.Add(ticketLife))) {
			t.forget(l)
		}
	}
	for _, a := range t.came {
		if ended, _ := a.self.ended(); ended {
			t.left(a)
		}
	}
}

// forget has a connection be over, and with it all that came by it.
func (t *Tickets) forget(l *login) {
	if t.logins[l.conn.process] != l {
		return
	}
	delete(t.logins, l.conn.process)
	l.conn.close()
	if l.ticket == nil {
		return
	}
	delete(t.out, l.ticket.id)
	for _, a := range t.came {
		if a.ticket == l.ticket {
			a.end(errConnEnded)
			t.left(a)
		}
	}
}
