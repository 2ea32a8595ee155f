package ctxlock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/ctxlock"
)

// A lock is taken when it is free, which is looked for again and again, and until the context ends.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		mu.Lock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tries := 0
		if err := ctxlock.LockAnd(ctx, &mu, func() { tries++ }); !errors.Is(err, context.DeadlineExceeded) || tries < 100 || tries > 1000 {
			t.Errorf("another holds it: %v, tried %d times more", err, tries)
		}
		time.AfterFunc(time.Minute, mu.Unlock)
		if err := ctxlock.Lock(t.Context(), &mu); err != nil || mu.TryLock() {
			t.Errorf("it was let go: %v; nobody holds it", err)
		}
	})
}

// Of a lock for many readers it is the one of who writes.
func TestLockOfReaders(t *testing.T) {
	var mu sync.RWMutex
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	mu.RLock()
	if err := ctxlock.Lock(ended, &mu); !errors.Is(err, context.Canceled) {
		t.Errorf("somebody reads: %v", err)
	}
	mu.RUnlock()
	if err := ctxlock.Lock(ended, &mu); err != nil || mu.TryRLock() {
		t.Errorf("nobody reads: %v; somebody may", err)
	}
}
