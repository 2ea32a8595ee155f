package executor

import (
	"context"
	"errors"
	"sync/atomic"
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

// Whoever cannot throw it away has that tried beside them, by one at a time, and not for longer than they are here; who leaves
// it to the one that is just done with a lockdown that came between is not barred for ever.
func TestBarredIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &access.Object{Kind: access.Session}
		failed := errors.New("a delivery does not end")
		var b barred
		var fails, between atomic.Bool
		var tries, beside atomic.Int32
		fails.Store(true)
		place := func() *access.Object {
			if between.CompareAndSwap(true, false) {
				return on // locked down, and unlocked before anybody looks again
			}
			return nil
		}
		meet := func(here context.Context) error {
			return b.meet(t.Context(), here, place, func(context.Context) error {
				if tries.Add(1); fails.Load() {
					return failed
				}
				return nil
			}, func(do func()) { beside.Add(1); go do() })
		}
		b.at.Store(on)
		here, leave := context.WithCancel(t.Context())
		if err, again := meet(here), meet(here); err != failed || again != failed || beside.Load() != 1 {
			t.Errorf("%v, %v; %d are beside", err, again, beside.Load())
		}
		time.Sleep(againEvery * 3 / 2)
		if tries.Load() != 3 {
			t.Errorf("it was tried %d times", tries.Load())
		}
		leave()
		time.Sleep(10 * againEvery)
		if tries.Load() != 3 || b.again.Load() {
			t.Errorf("who has left: it was tried %d times", tries.Load())
		}
		if err := meet(t.Context()); err != failed || beside.Load() != 2 {
			t.Errorf("%v; %d have been beside", err, beside.Load())
		}
		between.Store(true)
		fails.Store(false)
		time.Sleep(10 * againEvery)
		if b.at.Load() != nil || b.again.Load() {
			t.Error("it is barred for ever")
		}
	})
}
