// Package pace gives people their turns at something that costs more than it looks:
// so many at once, and then so many a second, each person for themselves. It is no
// check of rights. Start with [Pace.Wait]. [Complaints] bounds what is told of people.
//
// The counting is that of golang.org/x/time/rate.
package pace

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how often a person may. All of it has to be more than zero.
type Rate struct {
	AtOnce  int
	ASecond float64
	// Longest is how long somebody may have to wait: who would wait longer is refused.
	Longest time.Duration
}

// ErrTooMuch is the error of who would have to wait for too long.
var ErrTooMuch = errors.New("too much at once")

// Pace has the turns of everybody at one thing, which always has the same rate. The zero
// value is ready. It is safe for use by several goroutines.
type Pace struct {
	mu    sync.Mutex
	of    map[string]*rate.Limiter
	sweep int // with how many it is looked who need not be remembered
}

// minSweep is how many people are remembered in any case.
const minSweep = 64

// Wait takes a person's next n turns and waits until they have come. The error is
// ErrTooMuch, and no turn is taken, or the cause of ctx's end.
func (p *Pace) Wait(ctx context.Context, r Rate, who string, n int) error {
	wait, ok := p.Take(r, who, n, time.Now())
	switch {
	case !ok:
		return ErrTooMuch
	case wait == 0:
		return context.Cause(ctx)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Take takes a person's next n turns, and gives how long it is from now until they
// have come. It takes none, and gives false, where that would be too long.
func (p *Pace) Take(r Rate, who string, n int, now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.limiter(r, who, now)
	missing := float64(n) - l.TokensAt(now)
	if missing > r.Longest.Seconds()*r.ASecond { // compared as numbers: no overflow
		return r.Longest, false
	}
	if missing > 0 {
		wait = time.Duration(missing / r.ASecond * float64(time.Second))
	}
	for ; n > 0; n -= r.AtOnce { // a limiter takes no more than that together
		l.ReserveN(now, min(n, r.AtOnce))
	}
	return wait, true
}

// limiter gives a person's. Those who have all their turns again are forgotten, as a
// new one is the same.
func (p *Pace) limiter(r Rate, who string, now time.Time) *rate.Limiter {
	if l := p.of[who]; l != nil {
		return l
	}
	if len(p.of) >= max(p.sweep, minSweep) {
		for other, l := range p.of {
			if l.TokensAt(now) >= float64(r.AtOnce) {
				delete(p.of, other)
			}
		}
		p.sweep = 2 * len(p.of)
	}
	if p.of == nil {
		p.of = map[string]*rate.Limiter{}
	}
	l := rate.NewLimiter(rate.Limit(r.ASecond), r.AtOnce)
	p.of[who] = l
	return l
}
