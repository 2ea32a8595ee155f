package executor

import (
	"context"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/attach"
)

// What one person may type and paste on all their attached terminals together, in what
// it costs the server: so much at once, and then so much each second. Somebody at a
// keyboard does not come near it; several large pastes may be had at once. It holds up
// that person alone, before anything of theirs is decided. Commands are not in it.
const (
	typedBurst = 2 << 20
	pasteCost  = 1  // of a byte that is pasted
	byteCost   = 32 // of one that is typed: 64 KiB at once, then 16 KiB a second
	keyCost    = 64 // of a command, which is the least: 32768 keys, then 8192 a second
)

// cost is what it takes to type something.
func cost(e attach.Event) int {
	if e.Kind == attach.Paste {
		return max(keyCost, pasteCost*len(e.Bytes))
	}
	return max(keyCost, byteCost*len(e.Bytes))
}

// budget is one person's. What is typed at once may be more than is left; then
// nothing is typed until that is made up for.
type budget struct {
	mu    sync.Mutex
	left  int
	at    time.Time
	users int // under mu of the Executor
}

// spend takes n, and returns how long to wait before more is typed.
func (b *budget) spend(n int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.left -= n
	if b.left >= 0 {
		return 0
	}
	return time.Duration(-b.left) * time.Second / typedRate
}

func (b *budget) refill(now time.Time) {
	if gone := min(now.Sub(b.at), time.Minute); gone > 0 {
		b.left = min(typedBurst, b.left+int(gone.Seconds()*typedRate))
		b.at = now
	}
}

func (b *budget) full(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	return b.left == typedBurst
}

// budget gives a person's; giveBack is for when they leave. One that is not made up
// for is kept, so that nobody gets a new one by attaching again.
func (e *Executor) budget(person string) *budget {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for who, b := range e.budgets {
		if b.users == 0 && b.full(now) {
			delete(e.budgets, who)
		}
	}
	b := e.budgets[person]
	if b == nil {
		b = &budget{left: typedBurst, at: now}
		if e.budgets == nil {
			e.budgets = map[string]*budget{}
		}
		e.budgets[person] = b
	}
	b.users++
	return b
}

func (e *Executor) giveBack(b *budget) {
	if b == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b.users--
}

// afford waits until the person may type something.
func (s *seat) afford(ctx context.Context, e attach.Event) error {
	wait := s.budget.spend(cost(e), time.Now())
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
