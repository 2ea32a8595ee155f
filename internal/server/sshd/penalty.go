package sshd

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// What addresses pay for connections that prove nobody, in waiting. As with
// sshd's PerSourcePenalties they add up, and are held against an address only once
// they are worth a while.
const (
	lookCost  = time.Second      // tried nothing, as what looks whether a door is open
	failCost  = 5 * time.Second  // tried, and proved nobody
	graceCost = 10 * time.Second // let the time run out
	mostCost  = 10 * time.Minute
	freeCost  = 15 * time.Second // below this, nobody waits
	// maxSources bounds how many addresses are remembered.
	maxSources = 32 << 10
)

// source is what is counted together: an address, or a network of version 6 that
// one customer has.
func source(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// penalties remembers until when each source would have to wait.
type penalties struct {
	mu    sync.Mutex
	until map[netip.Prefix]time.Time
}

// waits reports whether a source has to wait.
func (p *penalties) waits(from netip.Prefix, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until[from].Sub(now) > freeCost
}

// add has a source wait longer.
func (p *penalties) add(from netip.Prefix, cost time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[netip.Prefix]time.Time{}
	}
	at := p.until[from]
	if at.Before(now) {
		at = now
	}
	if _, known := p.until[from]; !known && len(p.until) >= maxSources {
		p.forget(now)
	}
	p.until[from] = minTime(at.Add(cost), now.Add(mostCost))
}

// forget makes room: those whose time is over go, or else those who have to wait
// the least; p.mu is held.
func (p *penalties) forget(now time.Time) {
	for limit := now; len(p.until) >= maxSources; limit = limit.Add(freeCost) {
		for s, at := range p.until {
			if !at.After(limit) {
				delete(p.until, s)
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
