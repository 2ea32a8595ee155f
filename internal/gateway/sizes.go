package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// bounded holds whoever is not the owner of a server to sizes that everybody there
// can do with. Owners have their own server draw what tmux takes: it is they who
// wait for it, and a window of five thousand lines keeps a long output.
func (r *resolver) bounded() error {
	if r.plan.Home {
		return nil
	}
	return r.plan.Invocation.BoundSizes(r.plan.Found.Window, r.plan.Snapshot.Reading())
}

// How often tmux hears of sizes from one person: of so many a second, and of a few
// at once after it has heard of none for a while. What one command holds comes
// together; it has its turn when as many turns have passed.
const (
	sizesASecond = 15
	sizeEvery    = time.Second / sizesASecond
	sizeBurst    = 5
	sizeWait     = 5 * time.Second
	maxPaced     = 4096
)

// pace gives people their turns.
type pace struct {
	mu   sync.Mutex
	next map[string]time.Time // when a person has had all turns until now
}

// turns takes a person's next n turns, and tells how long it is until the last
// of them. It takes none where that would be too long.
func (p *pace) turns(who string, n int, now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil || len(p.next) > maxPaced {
		for other, at := range p.next {
			if at.Before(now) {
				delete(p.next, other)
			}
		}
		if p.next == nil {
			p.next = map[string]time.Time{}
		}
	}
	at := p.next[who]
	if full := now.Add(-sizeBurst * sizeEvery); at.Before(full) {
		at = full
	}
	n = min(n, maxPaced) // which is too many, and no overflow
	at = at.Add(time.Duration(n) * sizeEvery)
	if wait = at.Sub(now); wait > sizeWait {
		return wait, false
	}
	p.next[who] = at
	return max(wait, 0), true
}

// countSizes counts the sizes of a command that was not read here, but by whoever
// asks, such as what a key is bound to.
func (g *Gateway) countSizes(ctx context.Context, req *Request) error {
	if req.counted || req.Invocation == nil {
		return nil
	}
	var opts tmux.ParseOptions
	if len(req.Invocation.Nested()) > 0 {
		at := *req // what is looked at now is old when their turn comes
		var err error
		if opts, err = g.reading(ctx, &at); err != nil {
			return err
		}
	}
	req.sizes, req.counted = req.Invocation.CountSizes(opts), true
	return nil
}

// paced has whoever tells tmux of sizes wait for their turn, before anything is
// decided.
func (g *Gateway) paced(ctx context.Context, req Request) error {
	refuse := func(why error) error {
		return g.writeRefusal(ctx, req, &Plan{Invocation: req.Invocation}, access.Decision{}, why)
	}
	if err := g.countSizes(ctx, &req); err != nil {
		return refuse(err)
	}
	if req.sizes == 0 {
		return nil
	}
	wait, ok := g.sizes.turns(req.Identity.Person(), req.sizes, time.Now())
	if !ok {
		return refuse(fmt.Errorf("%s: too many sizes at once; tmux takes %d a second of a person", req.Invocation.Row.Name, sizesASecond))
	}
	if wait == 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return refuse(context.Cause(ctx))
	}
}
