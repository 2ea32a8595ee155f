package ctxlock

import (
	"context"
	"time"
)

// How long it is waited between two tries: longer each time.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// Locker is a mutex; its Unlock is the caller's to call.
type Locker interface{ TryLock() bool }

// Lock takes l, as a [sync.Mutex], or gives ctx's error when that ends before. It takes no
// turns: whoever else tries may have it earlier.
func Lock(ctx context.Context, l Locker) error { return LockAnd(ctx, l, func() {}) }

// LockAnd is Lock, calling again before each further try, such as for what may have the other
// one let go.
func LockAnd(ctx context.Context, l Locker, again func()) error {
	for pause := firstPause; !l.TryLock(); pause = min(2*pause, lastPause) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			again()
		}
	}
	return nil
}
