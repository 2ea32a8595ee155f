package gateway

import (
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// said is the policy's own part of a verdict, as it was answered last about one need of one
// person: what a lockdown of a thousand people need not have asked a thousand times, as it
// changes nothing of it. It is good as long as
//
//   - the policy's generation is the one in which it was made: that moves with the files, with
//     the grants that are in force, and with what was taken from, or given back to, those who gave
//     some of them (see policy.Engine);
//   - the time limit that the policy has set it has not come by the gateway's clock, which never
//     goes back: the end of a grant and its begin, and a second where the time of day counts.
//
// All else that a verdict rests on is looked at each time: revocations, lockdowns, leases, whose
// account a server or a pane runs as, who watches, and whether muxward ends.
type said struct {
	last atomic.Pointer[access.Decision]
}

// briefly is how near the limit of an answer is that is good for a moment only: the policy gives
// such a second.
const briefly = 2 * time.Second

// still reports whether an answer of the policy would be the same now.
func (g *Gateway) still(d *access.Decision, now time.Time) bool {
	return d != nil && d.Generation == g.Policy.Generation() && (d.Expires.IsZero() || now.Before(d.Expires))
}

// says gives what the policy says about a need: from memory, where there is one and that is
// good. The decision's generation is the policy's.
func (g *Gateway) says(memory *said, who identity.Identity, n Need, now time.Time) access.Decision {
	if memory != nil {
		if d := memory.last.Load(); g.still(d, now) {
			return *d
		}
	}
	var d access.Decision
	if n.Whole {
		d = g.Policy.Covers(who.Subject(), n.Verbs, n.Object, now)
	} else {
		d = g.Policy.Decide(access.Question{
			Who: who.Subject(), Verb: n.Verb, Object: n.Object, At: now, Command: n.Command,
		})
	}
	if memory == nil {
		return d
	}
	if d.Expires.IsZero() || d.Expires.After(now.Add(briefly)) {
		kept := d
		memory.last.Store(&kept)
	} else {
		memory.last.Store(nil)
	}
	return d
}
