package daemon

import (
	"context"
	"time"
)

// turn is had by one at a time. It is a lock whose waiting ends.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn; busy is the error if it does not come within the time.
func (t turn) take(ctx context.Context, within time.Duration, busy error) error {
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
		t.leave()
		return context.Cause(ctx)
	}
	return nil
}

func (t turn) leave() { <-t }
