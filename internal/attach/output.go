package attach

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/failpoint"
)

const (
	// readSize is what the kernel hands out of a pty at once.
	readSize = 4096
	// maxBatch is how much is gathered before it is shown, if more is there.
	maxBatch = 32 << 10
	// keepBuffer is the largest buffer that is kept while nothing happens.
	keepBuffer = 40 << 10
	// stuckPoll is how often a terminal that takes nothing is looked at, beside
	// what the poller tells.
	stuckPoll = 100 * time.Millisecond
)

// output is the way from the display to the terminal. The pump alone uses
// filter and batch; the rest is under mu.
type output struct {
	a      *Attachment
	filter *Filter
	policy atomic.Pointer[Policy] // set: to be taken over by the pump
	batch  []byte

	mu       sync.Mutex
	queue    []byte // what the terminal has not taken
	lagging  bool   // frames were dropped: nothing is queued until a redraw
	away     bool   // suspended
	draining bool   // a goroutine works on the queue or the lag
	redraw   bool   // that goroutine is to ask for a redraw
	cover    []byte // shown in place of what is drawn; nil for nothing
	repaint  bool   // cover is to be shown once the queue is empty
	pictured bool   // some of a picture may be where Terminal.Drop finds it
	stats    Stats
	banner   banner

	// since is when draining or the lag began, in Unix nanoseconds, and writing when a
	// write did that is under way; 0 for neither. veiled: cover or away is set. See Shown.
	since, writing atomic.Int64
	veiled         atomic.Bool

	latest    marksPair     // of the filter, under mu: what tmux believes
	now, ever atomic.Uint32 // screen.Marks of what the terminal may have
	marked    marksPair     // what the terminal was told; the pump's

	deliverFn, drainFn func() error

	// ours: muxward draws the display, and whatever it draws may cover a notice.
	ours bool
	idle chan struct{} // holds one when draining has ended
}

type marksPair struct{ now, ever screen.Marks }

// Stats counts what went through an attachment.
type Stats struct {
	Shown   uint64  // bytes given to the terminal
	Lost    uint64  // bytes dropped because the terminal was behind or away
	Lags    uint64  // how often that began
	Dropped Dropped // what the filter kept back
}

func (o *output) init(a *Attachment) {
	o.a, o.idle = a, make(chan struct{}, 1)
	_, o.ours = a.cfg.Display.(*Canvas)
	o.filter = NewFilter(a.cfg.Filter, Questions(a.cfg.TmuxMajor, a.cfg.TmuxMinor))
	o.deliverFn, o.drainFn = o.deliver, o.drainOnce
}

// Stats returns the counts so far.
func (a *Attachment) Stats() Stats {
	a.out.mu.Lock()
	defer a.out.mu.Unlock()
	return a.out.stats
}

// setPolicy changes what is let through. What went through the filter before and
// is not shown yet is dropped, and everything drawn anew.
func (o *output) setPolicy(ctx context.Context, p Policy) error {
	o.policy.Store(&p)
	return lockWithin(ctx, &o.mu, func() {
		if !o.away && (o.stats.Shown > 0 || o.lagging) { // else nothing was shown yet
			o.lag(0)
			o.startDrain()
		}
	})
}

func (o *output) marks() (now, ever screen.Marks) {
	return screen.Marks(o.now.Load()), screen.Marks(o.ever.Load())
}

// pumpOutput reads the display, always and at once: a tmux server that cannot
// write to one client stops drawing for it.
func (a *Attachment) pumpOutput() error {
	buf := make([]byte, readSize)
	for {
		a.out.pull()
		n, err := a.display.Read(buf, nil)
		failpoint.At("attach-output")
		if n > 0 {
			if err := a.out.take(buf, n); err != nil {
				return err
			}
		}
		switch {
		case a.closed.Load():
			return nil
		case errors.Is(err, io.EOF):
			return ErrDisplayGone
		case err != nil:
			return err
		}
	}
}

// pull waits, where muxward draws, until the terminal has taken what it was given: the
// next part of a picture is drawn when there is room for it, however large it is.
func (o *output) pull() {
	for o.ours && o.behind() {
		select {
		case <-o.idle:
		case <-o.a.ctx.Done():
			return
		}
	}
}

func (o *output) behind() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.draining
}

// take filters what was read, and what more there is, and shows it.
func (o *output) take(buf []byte, n int) error {
	if p := o.policy.Swap(nil); p != nil {
		o.filter.SetPolicy(*p)
	}
	o.batch = o.filter.Append(o.batch[:0], buf[:n])
	for n >= readSize/4 && len(o.batch) < maxBatch {
		var err error
		if n, err = o.a.display.TryRead(buf); n == 0 || err != nil {
			break // an error comes again at the next read
		}
		o.batch = o.filter.Append(o.batch, buf[:n])
	}
	if err := o.answer(); err != nil {
		return err
	}
	if len(o.batch) == 0 {
		return nil
	}
	now, ever := o.filter.Marks()
	o.tell(o.marksWith(now), ever)
	err := o.a.gate.Output(o.deliverFn)
	if errors.Is(err, ErrStale) {
		err = o.outdated(buf)
		_, ever = o.filter.Marks()
	}
	if errors.Is(err, ErrFrozen) {
		o.mu.Lock()
		o.lag(len(o.batch))
		o.mu.Unlock()
		err = nil
	}
	o.tell(screen.Marks(o.now.Load()), ever)
	if cap(o.batch) > keepBuffer {
		o.batch = nil
	}
	return err
}

// answer gives tmux the answers to what it has asked its terminal.
func (o *output) answer() error {
	answers := o.filter.Answers()
	if len(answers) == 0 {
		return nil
	}
	// Fixed bytes of ours, and few: they fit, or tmux goes without.
	if _, err := o.a.display.TryWrite(answers); err != nil {
		return ErrDisplayGone
	}
	return nil
}

// marksWith are the modes that the terminal may have when it has these, too.
func (o *output) marksWith(now screen.Marks) screen.Marks { return now | screen.Marks(o.now.Load()) }

// tell notes which modes the terminal may have, before it has them and after.
func (o *output) tell(now, ever screen.Marks) {
	if m := (marksPair{now, ever}); m != o.marked {
		o.now.Store(uint32(m.now))
		o.ever.Store(uint32(m.ever))
		o.marked = m
		o.a.term.Mark(m.now, m.ever)
	}
}

// deliver shows the batch; it runs inside the Gate.
func (o *output) deliver() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Dropped = o.filter.Dropped()
	o.latest.now, o.latest.ever = o.filter.Marks()
	switch {
	case o.a.closed.Load():
		return nil
	case o.away:
		o.stats.Lost += uint64(len(o.batch))
		return nil
	case o.policy.Load() != nil: // it was filtered by one that is over
		o.lag(len(o.batch))
		o.startDrain()
		return nil
	case o.lagging:
		o.stats.Lost += uint64(len(o.batch))
		o.startDrain()
		return nil
	case o.cover != nil:
		o.stats.Lost += uint64(len(o.batch))
		return nil
	}
	size := o.mend(o.batch)
	o.batch = append(o.batch, o.top(o.ours, size)...) // with it: nothing is seen in the line's place
	return o.put(o.batch)
}

// put writes p, or queues what the terminal does not take; o.mu is held.
func (o *output) put(p []byte) error {
	if len(o.queue) == 0 {
		n, err := o.write(p)
		if err != nil {
			return err
		}
		if p = p[n:]; len(p) == 0 {
			o.caughtUp()
			return nil
		}
	}
	if behind(len(o.queue)+len(p), maxQueue+len(o.cover)) { // of what covers the display, one is queued
		o.lag(len(p))
	} else {
		o.queue = append(o.queue, p...)
	}
	o.startDrain()
	return nil
}

// caughtUp notes that the terminal has all that was drawn, unless that was kept
// from it by a picture; o.mu is held.
func (o *output) caughtUp() {
	if o.cover == nil {
		o.now.Store(uint32(o.latest.now))
	}
}

// write is one try; o.mu is held.
func (o *output) write(p []byte) (int, error) {
	o.writing.Store(time.Now().UnixNano())
	n, err := o.a.term.TryWrite(p)
	o.writing.Store(0)
	o.stats.Shown += uint64(n)
	switch {
	case errors.Is(err, ErrAway):
		return len(p), nil // being left: nothing is shown any more
	case errors.Is(err, io.EOF):
		return n, ErrTerminalGone
	}
	return n, err
}

// lag drops what is queued and all that comes until a redraw, and with it what
// covers the display; o.mu is held.
func (o *output) lag(more int) {
	o.stats.Lost += uint64(len(o.queue) + more)
	o.queue, o.cover, o.repaint = nil, nil, false
	o.veil()
	o.a.note.anew()
	if !o.lagging {
		o.lagging = true
		o.stats.Lags++
		o.dates()
	}
}

// startDrain has a goroutine work on what is left; o.mu is held.
func (o *output) startDrain() {
	if !o.draining {
		o.drains(true)
		o.a.spawn(o.drain)
	}
}

// drain waits for the terminal and writes what it missed. It exists only while
// a terminal is behind.
func (o *output) drain() {
	failpoint.At("attach-drain")
	for {
		err := o.a.term.AwaitWrite(stuckPoll)
		if err == nil {
			err = o.a.gate.Output(o.drainFn)
		}
		o.mu.Lock()
		switch {
		case errors.Is(err, ErrStale): // it is drawn anew at the next turn
			o.lag(0)
			err = nil
		case errors.Is(err, ErrFrozen):
			o.lag(0)
			o.drains(false)
			err = nil
		}
		if err != nil {
			o.drains(false)
		}
		if !o.draining {
			select {
			case o.idle <- struct{}{}:
			default:
			}
		}
		done, redraw := !o.draining, o.redraw
		o.redraw = false
		o.mu.Unlock()
		if err != nil && !o.a.closed.Load() {
			o.a.end(err)
		}
		if redraw {
			o.a.redraw()
		}
		if done {
			return
		}
	}
}

// drainOnce is one try at the queue, inside the Gate. When all is written and
// frames were dropped, the terminal is put in a known state and a redraw asked
// for: also if the display never draws again by itself.
func (o *output) drainOnce() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.a.closed.Load() || o.away {
		o.queue = nil
		o.drains(false)
		return nil
	}
	if len(o.queue) > 0 {
		n, err := o.write(o.queue)
		if err != nil {
			return err
		}
		if o.queue = o.queue[n:]; len(o.queue) > 0 {
			return nil
		}
	}
	o.queue = nil
	if o.repaint {
		return o.paint()
	}
	if !o.lagging {
		o.drains(false)
		o.caughtUp()
		return nil
	}
	o.lagging, o.redraw = false, true
	o.queue = screen.Resync(o.latest.now, o.latest.ever)
	return nil // written at the next turn, before the redraw can come
}

// suspend has everything dropped until resume; o.mu is held.
func (o *output) suspend() {
	o.away = true
	o.queue, o.cover, o.repaint = nil, nil, false
	o.veil()
}

// resume brings the terminal to a known state, followed by a redraw; o.mu is
// held.
func (o *output) resume() {
	o.away = false
	o.lag(0)
	o.startDrain()
}
