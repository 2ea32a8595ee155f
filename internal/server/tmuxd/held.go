package tmuxd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// What clients may have us hold that say more of themselves than a few words.
const (
	// loud is how many of them are heard at a time, of all uids; of each it is
	// one. What one says is bounded by the wire.
	loud = total / perUID
	// perUIDHeld is what clients of one uid, or of a person who is lent an account, may
	// hold that are here, together.
	perUIDHeld = 16 << 20
)

// hearing is a client that introduces itself.
type hearing struct {
	s    *Server
	uid  uint32
	who  identity.Identity
	done func() // of its turn
}

// worth is asked of a client that has much to say of itself. Of nobody nothing
// is kept, as nobody will ask for it.
func (h *hearing) worth(ctx context.Context) (keep bool, err error) {
	if h.who.IsNobody() {
		return false, nil
	}
	if !oneAtATime() {
		return true, nil
	}
	h.done, err = h.s.holdings.turn(ctx, h.uid)
	return err == nil, err
}

func (h *hearing) end() {
	if h.done != nil {
		h.done()
	}
}

// holdings bounds what is held of clients.
type holdings struct {
	mu    sync.Mutex
	turns map[uint32]chan struct{}
	open  int
	held  map[string]int // by whose they are, as holder has it
	free  chan struct{}  // is ready when there may be a turn
}

// turn waits until a client of this uid may say more than a few words. Others of
// the same uid wait until done is called.
func (h *holdings) turn(ctx context.Context, uid uint32) (done func(), err error) {
	for {
		h.mu.Lock()
		taken := h.turns[uid]
		if taken == nil && h.open < loud {
			break
		}
		if taken == nil {
			if h.free == nil {
				h.free = make(chan struct{})
			}
			taken = h.free
		}
		h.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, errors.New("others that have as much to say of themselves took too long: make the environment smaller")
		}
	}
	defer h.mu.Unlock()
	if h.turns == nil {
		h.turns = map[uint32]chan struct{}{}
	}
	mine := make(chan struct{})
	h.turns[uid] = mine
	h.open++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.turns, uid)
		h.open--
		close(mine)
		if h.free != nil {
			close(h.free)
			h.free = nil
		}
	}), nil
}

// hold counts what a client has us hold while it is here.
func (h *holdings) hold(of string, hello *wire.Hello) (release func(), err error) {
	size := hello.Size()
	if size <= wire.SmallHello {
		return func() {}, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !mayHold(h.held[of] + size) {
		return nil, fmt.Errorf("the environments of your clients here hold more than %d bytes: end some, or make the environment smaller", perUIDHeld)
	}
	if h.held == nil {
		h.held = map[string]int{}
	}
	h.held[of] += size
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.held[of] -= size; h.held[of] == 0 {
			delete(h.held, of)
		}
	}), nil
}
