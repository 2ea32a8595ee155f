package ctxlock

import (
	"context"
	"time"
)

// Turn is had by one at a time. It is a lock whose waiting ends.
type Turn chan struct{}

// NewTurn gives one that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn; busy is the error if it does not come within the time.
func (t Turn) Take(ctx context.Context, within time.Duration, busy error) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return busy
	}
	if ctx.Err() != nil { // both had come
		t.Leave()
		return context.Cause(ctx)
	}
	return nil
}

// Leave lets the next one have it.
func (t Turn) Leave() { <-t }
