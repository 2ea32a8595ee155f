package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/keep"
)

// adoptTime is how long it may take to adopt one server, which may have to make its
// socket anew.
const adoptTime = 5 * time.Second

// Adopt finds the servers that an earlier muxward started and that still run.
// It does not wait for the servers to answer ([Server.Ready] does), and an error
// is about their records as a whole.
func (g *Guard) Adopt(ctx context.Context) error {
	ids, err := g.hands.Found(ctx)
	if err != nil && ctx.Err() == nil { // the answer may have been lost
		ids, err = g.hands.Found(ctx)
	}
	if err != nil {
		return err
	}
	for _, id := range ids {
		g.take(ctx, id)
	}
	g.mu.Lock()
	g.adopted = true
	g.mu.Unlock()
	return nil
}

// take adopts a server, if it still runs.
func (g *Guard) take(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, adoptTime)
	defer cancel()
	s, err := g.adopt(ctx, id)
	g.mu.Lock()
	was, again := g.left[id]
	delete(g.left, id)
	if err != nil && !errors.Is(err, keep.ErrEnded) {
		g.left[id] = err.Error()
	}
	g.mu.Unlock()
	switch {
	case err == nil && again:
		g.tell(access.EventServer, s, "the tmux server of "+s.Owner()+" is adopted after all")
	case err == nil, errors.Is(err, keep.ErrEnded): // which the hands have told
	case was != err.Error():
		// Somebody's sessions may live there: leave all as it is.
		g.tell(access.EventAlarm, nil, fmt.Sprintf("the tmux server of %v is not adopted; it is tried again", err))
	}
}

func (g *Guard) adopt(ctx context.Context, id string) (*Server, error) {
	kept, err := g.hands.Adopt(ctx, id)
	if err != nil {
		return nil, err
	}
	if other, taken := g.Lookup(kept.Owner); taken {
		return nil, fmt.Errorf("%s: %s has another one already, process %d", id, kept.Owner, other.PID())
	}
	s := newServer(g, kept)
	if err := s.open(ctx); err != nil {
		s.finish(err)
		return nil, err
	}
	return s, nil
}

// wasLeft reports whether a server that has ended was one that could not be adopted, and
// has it not tried again.
func (g *Guard) wasLeft(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, was := g.left[id]
	delete(g.left, id)
	return was
}

// adoptLeft tries again what could not be adopted, such as for want of space.
func (g *Guard) adoptLeft() {
	g.mu.Lock()
	ids := slices.Sorted(maps.Keys(g.left))
	g.mu.Unlock()
	for _, id := range ids {
		g.take(g.ctx, id)
	}
}
