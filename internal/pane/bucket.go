package pane

import (
	"context"
	"time"
)

// Sessions of one server are opened no faster than this: each costs whoever has root's
// rights some work, and who asks may do so as often as they like.
const (
	maxBurst  = 64
	askPeriod = 20 * time.Millisecond
)

// bucket says when the next one may be heard.
type bucket struct{ next time.Time }

func newBucket(now time.Time) *bucket { return &bucket{now} }

// take takes one turn, and gives how long to wait before it.
func (b *bucket) take(now time.Time) time.Duration {
	if full := now.Add(-maxBurst * askPeriod); b.next.Before(full) {
		b.next = full
	}
	b.next = b.next.Add(askPeriod)
	return max(0, b.next.Sub(now))
}

// wait takes one turn, and reports whether it came before ctx ended.
func (b *bucket) wait(ctx context.Context) bool {
	wait := b.take(time.Now())
	if wait == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}
