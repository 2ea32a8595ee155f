package privsep

import (
	"context"
	"fmt"
	"sync"
)

// perUID is how many turns one account may have at once, of those of one kind. Who waits for
// their account's waits for those alone, and has none of the others'.
const perUID = 4

// shares are the turns that accounts have, by uid.
type shares struct {
	mu sync.Mutex
	of map[uint32]*share
}

// share is what one account has.
type share struct {
	turns chan struct{}
	using int // how many have a turn, or wait for one
}

// enter waits for a turn of an account's. leave ends it.
func (s *shares) enter(ctx context.Context, uid uint32, gone <-chan struct{}) (leave func(), err error) {
	s.mu.Lock()
	if s.of == nil {
		s.of = map[uint32]*share{}
	}
	own := s.of[uid]
	if own == nil {
		own = &share{turns: make(chan struct{}, perUID)}
		s.of[uid] = own
	}
	own.using++
	s.mu.Unlock()
	select {
	case own.turns <- struct{}{}:
		return func() { <-own.turns; s.drop(uid, own) }, nil
	case <-ctx.Done():
		s.drop(uid, own)
		return nil, fmt.Errorf("wait for muxward-helper, which is busy with other processes of uid %d: %w", uid, context.Cause(ctx))
	case <-gone:
		s.drop(uid, own)
		return nil, ErrHelperGone
	}
}

// drop forgets an account when nobody of it is left.
func (s *shares) drop(uid uint32, own *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.using--; own.using == 0 {
		delete(s.of, uid)
	}
}
