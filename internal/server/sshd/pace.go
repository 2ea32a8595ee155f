package sshd

import (
	"context"
	"sync"
	"time"
)

// Each connection that is let in is a line of the log, and each list in the lobby two
// more, whatever its person may do: so they come at a pace.
const (
	// atOneGo is how many connections of a person come without waiting, and paceTime
	// after which time there may be one more.
	atOneGo  = 60
	paceTime = 200 * time.Millisecond
)

// pace has each person wait their turn, and nobody for another's.
type pace struct {
	mu sync.Mutex
	// due is when a person's connections would all have come, one each paceTime.
	due map[string]time.Time
}

// wait waits for a person's turn. It gives false if ctx ends before.
func (p *pace) wait(ctx context.Context, person string) bool {
	p.mu.Lock()
	now := time.Now()
	if p.due == nil {
		p.due = map[string]time.Time{}
	}
	for who, at := range p.due {
		if at.Before(now) { // as if they had never come
			delete(p.due, who)
		}
	}
	due := later(p.due[person], now).Add(paceTime)
	p.due[person] = due
	p.mu.Unlock()
	wait := due.Sub(now) - atOneGo*paceTime
	if wait <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}
