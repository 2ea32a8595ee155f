package executor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
)

// barred is where somebody may not type as it is locked down. What they type meanwhile may wait
// for a tmux server that hangs, and would be decided when that is unlocked: it is thrown away then.
type barred struct {
	mu sync.Mutex
	at atomic.Pointer[access.Object] // the pane, or all that they are shown
}

// bar notes that it is locked down where they type, or throws away what they have typed until
// that was over: nothing is typed before.
func (s *seat) bar(ctx context.Context) error {
	b := &s.barred
	b.mu.Lock()
	defer b.mu.Unlock()
	if on := s.lockedPlace(); on != nil {
		b.at.Store(on)
		return nil
	}
	if b.at.Load() == nil {
		return nil
	}
	err := s.att.Unread(ctx)
	b.at.Store(nil)
	return err
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
