package attach

import (
	"errors"
	"fmt"
	"time"
)

// ErrStale is [ErrFrozen] of a Gate that could not tell for a while, for output, and can again: what was drawn
// meanwhile is dropped, and everything drawn anew.
var ErrStale = fmt.Errorf("drawn too long ago: %w", ErrFrozen)

// keptByKernel is more than a terminal's buffers in the kernel hold of what was drawn.
const keptByKernel = 128 << 10

// keptByTmux is how much tmux keeps of what it has drawn, for each character of the display: of more it drops all,
// and draws anew later.
const keptByTmux = 8

// lastTime is how long it is waited for what was written before an answer: the kernel has a worker hand that on.
const lastTime = 50 * time.Millisecond

// outdated drops the batch and all that was drawn before the Gate could tell again, and has everything drawn anew. tmux
// keeps what the display has no room for, and writes that before it answers what the Gate asks behind it: so
// there is nothing of it left when nothing is there behind an answer. One who draws all the time is not waited for: more was
// dropped then than there could be. It is the pump's.
func (o *output) outdated(buf []byte) error {
	size := o.a.Size()
	dropped, asked := len(o.batch), false
	for most := keptByKernel + keptByTmux*size.Cols*size.Rows; dropped < most && !o.a.closed.Load(); {
		n, err := o.a.display.TryRead(buf)
		if n > 0 {
			o.batch = o.filter.Append(o.batch[:0], buf[:n]) // it minds the modes
			dropped, asked = dropped+n, false
			continue
		}
		if err != nil || asked {
			break // an error comes again at the next read
		}
		err = o.a.gate.Output(func() error { return nil })
		if asked = err == nil; err != nil && !errors.Is(err, ErrStale) {
			return err
		}
		select {
		case <-time.After(lastTime):
		case <-o.a.ctx.Done():
		}
	}
	if err := o.answer(); err != nil {
		return err
	}
	o.drawAnew(dropped)
	return nil
}

// drawAnew has everything drawn anew, as so much was dropped; what covers the display, or somebody who comes back to it,
// has that done anyway.
func (o *output) drawAnew(dropped int) {
	now, ever := o.filter.Marks()
	o.tell(o.marksWith(now), ever)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Dropped = o.filter.Dropped()
	o.latest = marksPair{now, ever}
	if o.cover != nil || o.away {
		o.stats.Lost += uint64(dropped)
		return
	}
	o.lag(dropped)
	o.startDrain()
}
