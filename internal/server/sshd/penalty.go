package sshd

import (
	"sync"
	"time"
)

// What addresses pay for connections that prove nobody, in waiting. As with
// sshd's PerSourcePenalties they add up, and are held against an address only once
// they are worth a while.
const (
	leaveCost = time.Second      // went before it had tried a key
	failCost  = 5 * time.Second  // tried, and proved nobody
	graceCost = 10 * time.Second // let the time run out
	mostCost  = 10 * time.Minute
	freeCost  = 15 * time.Second // below this, nobody waits
	// farCost is freeCost for a whole network: others than those who fail may be
	// there.
	farCost = 5 * time.Minute
	// knownTime is for how long an address does not wait from which somebody has
	// come whom we know: where many share one, it is theirs as well.
	knownTime = time.Hour
	// maxSources bounds how many addresses are remembered.
	maxSources = 32 << 10
)

// penalties remembers until when each source would have to wait, and from where
// people came.
type penalties struct {
	mu    sync.Mutex
	until map[origin]time.Time
	known map[origin]time.Time // until when
}

// waits reports whether a source has to wait.
func (p *penalties) waits(from source, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[from.near].After(now) {
		return false
	}
	return p.until[from.near].Sub(now) > freeCost || p.until[from.far].Sub(now) > farCost
}

// knows reports whether people have come from a source.
func (p *penalties) knows(from source, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[from.near].After(now)
}

// add has a source wait longer.
func (p *penalties) add(from source, cost time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[origin]time.Time{}
	}
	for _, s := range []origin{from.near, from.far} {
		at := later(p.until[s], now)
		forget(p.until, s, now)
		p.until[s] = minTime(at.Add(cost), now.Add(mostCost))
	}
}

// came notes that somebody we know has come from there, or was there until now.
func (p *penalties) came(from source, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[origin]time.Time{}
	}
	forget(p.known, from.near, now)
	p.known[from.near] = now.Add(knownTime)
}

// forget makes room for a source, if there is none: those whose time is over go, or
// else those for whom it is over first.
func forget(of map[origin]time.Time, s origin, now time.Time) {
	if _, there := of[s]; there {
		return
	}
	for limit := now; len(of) >= maxSources; limit = limit.Add(freeCost) {
		for s, at := range of {
			if !at.After(limit) {
				delete(of, s)
			}
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
