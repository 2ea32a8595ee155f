package gateway

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// until has the permit decided anew when the time limit of what it rests on has
// come, for as long as its request runs: one that waits for the person's input
// could outlast any. It gives what ends that. Whoever keeps a permit (Keep)
// minds the time themselves.
func (l *Live) until(d access.Decision) (stop func()) {
	over := make(chan struct{})
	l.mu.Lock()
	l.over = over
	l.mu.Unlock()
	l.limited(d.Expires)
	return func() {
		l.mu.Lock()
		l.over = nil
		l.mu.Unlock()
		close(over)
	}
}

// limited has the time limit of a decision be one of what runs, if it comes before the one
// that is waited for: a decision that is made anew may have another.
func (l *Live) limited(limit time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := l.over
	if over == nil || limit.IsZero() || !l.limit.IsZero() && !limit.Before(l.limit) {
		return
	}
	l.limit = limit
	go func() {
		// A fault here leaves the request to its own deadlines, and harms
		// nobody else's.
		_ = recovered(func() error { l.expire(limit, over); return nil })
	}()
}

// expire waits for the limit, has the permit decided anew, and has the next limit waited for,
// if another grant still permits what runs. What is decided meanwhile may have an earlier one.
func (l *Live) expire(limit time.Time, over <-chan struct{}) {
	timer := time.NewTimer(limit.Sub(l.g.Time()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
		return
	}
	l.mu.Lock()
	if l.limit.Equal(limit) {
		l.limit = time.Time{} // before anything is decided: a limit that is past is before all others
	}
	needs := l.needs
	l.mu.Unlock()
	// What cannot be confirmed has ended all the same: nothing of it is
	// delivered any more.
	_ = lookAt(context.Background(), []*Live{l}, "the time is over")
	l.limited(l.DecideAll(needs).Expires) // zero if it is refused
}
