package sshd

import (
	"context"
	"time"
)

// look looks whether a list has changed, beside the keys: somebody's server may stand
// still, which is not to hold up who chooses another's session.
type look struct {
	busy  bool
	began time.Time
	next  time.Time // no other begins before
	done  chan looked
}

// looked is what was found.
type looked struct {
	all places
	err error
}

// restShare is how many times as long as it took nobody looks again.
const restShare = 4

// begin begins one, unless one is under way or would be too soon.
func (l *look) begin(x *session, ctx context.Context) {
	now := time.Now()
	if l.busy || now.Before(l.next) {
		return
	}
	done := make(chan looked, 1)
	l.busy, l.began, l.done = true, now, done
	x.wg.Go(func() {
		defer x.c.s.caught(x.c.who.Person()+"'s list", x.gone)
		short, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		all, err := visible(short, x.c.s.Gateway, x.c.who)
		done <- looked{all, err}
	})
}

// through gives what was found, once.
func (l *look) through(now time.Time) (*places, error) {
	if !l.busy {
		return nil, nil
	}
	select {
	case found := <-l.done:
		l.busy, l.next = false, now.Add(restShare*now.Sub(l.began))
		return &found.all, found.err
	default:
		return nil, nil
	}
}

// wait is how long it is waited for a key until then.
func (l *look) wait() time.Duration {
	if l.busy {
		return pollTime
	}
	return refreshTime
}
