package executor

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/pace"
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

func typedPace() pace.Rate {
	// The longest is more than what all of one person's terminals hold can take.
	return pace.Rate{AtOnce: typedBurst, ASecond: eachSecond(), Longest: 10 * time.Minute}
}

// afford waits until the person may type something.
func (s *seat) afford(ctx context.Context, e attach.Event) error {
	return s.e.typed.Wait(ctx, typedPace(), s.live.Who().Person(), cost(e))
}
