package gateway

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// crew has something done for each of many, by few goroutines as long as none of them has to
// wait: one of its own for each would take longer to begin, with a new stack that has to grow, than
// what most of them have to do. Whoever waits says so before (see [Waits]), and another goes on
// in their place. Those who do not are noticed.
type crew struct {
	n    int
	do   func(i int)
	next atomic.Int64 // who comes next
}

type crewKey struct{}

// stuckEvery is how long nobody may come to their turn before more are sent for.
const stuckEvery = time.Millisecond

// begin has the crew begin, as many as there are processors, and minds it until done is closed.
// It returns at once.
func (c *crew) begin(done <-chan struct{}) {
	hands := runtime.GOMAXPROCS(0)
	for range min(c.n, hands) {
		go c.work()
	}
	if c.n > hands {
		go c.mind(done)
	}
}

func (c *crew) work() {
	for {
		i := int(c.next.Add(1)) - 1
		if i >= c.n {
			return
		}
		c.do(i)
	}
}

// replace sends for one more, if anybody's turn is still to come. Who has waited goes on with the
// others then.
func (c *crew) replace() {
	if int(c.next.Load()) < c.n {
		go c.work()
	}
}

// mind sends for more while those who are at it wait, without having said so, until nobody is
// left to come, or done is closed: each time twice as many.
func (c *crew) mind(done <-chan struct{}) {
	tick := time.NewTicker(stuckEvery)
	defer tick.Stop()
	last, more := int64(0), 1
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		now := c.next.Load()
		if int(now) >= c.n {
			return
		}
		if now == last {
			for range more {
				c.replace()
			}
			more *= 2
		}
		last = now
	}
}

// Waits is to be called by a [Watcher] before it waits for somebody, as for tmux: others whose
// turn has not come do not wait with it.
func Waits(ctx context.Context) {
	if c, _ := ctx.Value(crewKey{}).(*crew); c != nil {
		c.replace()
	}
}
