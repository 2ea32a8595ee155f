package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/gateway"
)

// barred is where somebody may not type as it is locked down. What they type meanwhile may wait
// for a tmux server that hangs, and would be decided when that is unlocked: it is thrown away then.
type barred struct {
	mu    sync.Mutex
	at    atomic.Pointer[access.Object] // the pane, or all that they are shown
	again atomic.Bool                   // it is tried again to throw it away
}

// bar notes that it is locked down where they type, or throws away what they have typed until
// that was over: nothing is typed before.
func (s *seat) bar(ctx context.Context) error {
	return s.barred.meet(ctx, s.ctx, s.lockedPlace, s.att.Unread, func(do func()) { go s.protected(do) })
}

// meet is look of one seat; if what was typed cannot be thrown away, that is tried again beside it until here ends.
func (b *barred) meet(ctx, here context.Context, place func() *access.Object, unread func(context.Context) error, beside func(func())) error {
	err := b.look(ctx, place, unread)
	if err != nil && b.again.CompareAndSwap(false, true) {
		beside(func() {
			for more := true; more; {
				b.keepOn(here, place, unread)
				b.again.Store(false)
				// Who has failed just before that has left it to us.
				more = here.Err() == nil && b.at.Load() != nil && place() == nil && b.again.CompareAndSwap(false, true)
			}
		})
	}
	return err
}

// look bars, or throws away: place gives where it is locked down, and unread throws away what was typed. Until
// that is done it stays barred there.
func (b *barred) look(ctx context.Context, place func() *access.Object, unread func(context.Context) error) error {
	if err := ctxlock.Lock(ctx, &b.mu); err != nil {
		return fmt.Errorf("drop what was typed under a lockdown: it is being done: %w", err)
	}
	defer b.mu.Unlock()
	return b.set(ctx, place, unread)
}

// set is look under mu.
func (b *barred) set(ctx context.Context, place func() *access.Object, unread func(context.Context) error) error {
	if on := place(); on != nil {
		b.at.Store(on)
		return nil
	}
	if b.at.Load() == nil {
		return nil
	}
	err := unread(ctx)
	if err == nil {
		b.at.Store(nil)
	}
	return err
}

// How often it is tried again, and how long one try may take.
const (
	againEvery = 100 * time.Millisecond
	againTime  = time.Second
)

// keepOn looks until that goes well, or ctx ends: nobody else may come to it again, and nothing could be typed.
func (b *barred) keepOn(ctx context.Context, place func() *access.Object, unread func(context.Context) error) {
	tick := time.NewTicker(againEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		one, cancel := context.WithTimeout(ctx, againTime)
		err := b.look(one, place, unread)
		cancel()
		if err == nil {
			return
		}
	}
}

// lockedPlace gives where they would type, by what is known of that, if it is locked down.
func (s *seat) lockedPlace() *access.Object {
	if on := s.stage.Load().view.Need().Object; s.live.LockedOut(on) {
		return &on
	}
	if at := s.scene.Load(); at != nil && at.right.Decide().Rule == gateway.RuleLockdown {
		on := at.right.Need().Object
		return &on
	}
	return nil
}

// bars reports whether what is typed there was typed while it was locked down.
func (s *seat) bars(at *scene) bool {
	b, on := s.barred.at.Load(), at.right.Need().Object
	switch {
	case b == nil:
		return false
	case b.Kind == access.Pane:
		return b.Incarnation == on.Incarnation && b.Pane.ID == on.Pane.ID
	}
	return b.Key() == s.stage.Load().view.Need().Object.Key()
}

// unstick makes sure that what was typed under a right that was lost is not
// delivered later: it has been, or it is thrown away.
func (s *seat) unstick(ctx context.Context) error {
	if s.full.Load() {
		return nil
	}
	// What was decided before and not yet sent goes first.
	return errors.Join(s.live.Pass(ctx), s.settleTyped(ctx))
}
