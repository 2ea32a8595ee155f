package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// bounded refuses sizes that tmux is not to hear of, whoever gives them.
func (r *resolver) bounded() error {
	var opts tmux.ParseOptions
	if snap := r.plan.Snapshot; snap != nil {
		opts = tmux.ParseOptions{Version: snap.Version, Aliases: snap.Options.Aliases}
	}
	return r.req.Invocation.CheckSizes(r.plan.Found.Window, opts)
}

// How often tmux hears of sizes from one person: never more than 20 times in
// any second, and a few at once.
const (
	sizeEvery = time.Second / 15
	sizeBurst = 5
	sizeWait  = 5 * time.Second
	maxPaced  = 4096
)

// pace gives people their turns.
type pace struct {
	mu   sync.Mutex
	next map[string]time.Time // when a person has had all turns until now
}

// turn takes a person's next turn, and tells how long it is until then. It takes
// none where that would be too long.
func (p *pace) turn(who string, now time.Time) (wait time.Duration, ok bool) {
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
	at = at.Add(sizeEvery)
	if wait = at.Sub(now); wait > sizeWait {
		return wait, false
	}
	p.next[who] = at
	return max(wait, 0), true
}

// paced has whoever tells tmux of sizes wait for their turn, before anything is
// decided.
func (g *Gateway) paced(ctx context.Context, req Request) error {
	if req.Invocation == nil || !req.Invocation.Sizes() {
		return nil
	}
	wait, ok := g.sizes.turn(req.Identity.Person(), time.Now())
	if !ok {
		return g.writeRefusal(ctx, req, &Plan{Invocation: req.Invocation}, access.Decision{},
			fmt.Errorf("%s: too many sizes at once; tmux takes %d a second of a person", req.Invocation.Row.Name, time.Second/sizeEvery))
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
		return context.Cause(ctx)
	}
}
