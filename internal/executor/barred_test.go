package executor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// What was typed under a lockdown cannot be thrown away when that is lifted: nothing is typed there until it can,
// and that is tried again; who looks meanwhile waits no longer than they have time.
func TestBarredUntilThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b barred
		on := &access.Object{Kind: access.Session}
		place := func() *access.Object { return on }
		hangs := make(chan struct{})
		failed := errors.New("a delivery does not end")
		unread := func(ctx context.Context) error {
			select {
			case <-hangs:
				return nil
			case <-ctx.Done():
				return failed
			}
		}
		if err := b.look(t.Context(), place, unread); err != nil || b.at.Load() == nil {
			t.Fatalf("it is locked down: %v", err)
		}
		on = nil
		first, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- b.look(first, place, unread) }()
		synctest.Wait()
		second, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.look(second, place, unread); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("another waits for the first: %v", err)
		}
		if first.Err() != nil {
			t.Error("it has waited for as long as the first")
		}
		if err := <-done; err != failed || b.at.Load() == nil {
			t.Errorf("%v; it is barred: %v", err, b.at.Load() != nil)
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			b.keepOn(t.Context(), place, unread)
		}()
		time.Sleep(5 * time.Second)
		if b.at.Load() == nil {
			t.Error("it is barred no more, while nothing was thrown away")
		}
		close(hangs)
		<-over
		if b.at.Load() != nil {
			t.Error("it is barred for ever")
		}
	})
}
