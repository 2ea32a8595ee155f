package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// maxShown is how much waits for the network, of one channel.
	maxShown = 64 << 10
	// onePacket is how much is sent at once.
	onePacket = 32 << 10
	// gatherTime is how long output is gathered that follows other output: each
	// write is a packet. What comes after a pause, or answers a key, goes at once.
	gatherTime = time.Millisecond
)

var (
	errChannelGone = errors.New("the connection is gone")
	errNotRead     = errors.New("the other end does not read")
)

// outbox holds what is to be written to a channel. Who puts something there does
// not wait for the network.
type outbox struct {
	out, errs io.Writer

	mu     sync.Mutex
	parts  []part
	size   int  // of parts
	flying int  // of what is being written
	took   int  // all that was ever taken, but what was dropped
	done   int  // of that, what was written
	prompt bool // somebody has typed: what comes next goes at once
	last   time.Time
	err    error // nothing is written any more
	closed bool
	work   chan struct{} // there is something to write, or it is closed
	// moved, if somebody waits, is closed when something was written or dropped.
	moved chan struct{}
}

// part is what goes to one of the two streams.
type part struct {
	errs bool
	data []byte
}

func newOutbox(out, errs io.Writer) *outbox {
	return &outbox{out: out, errs: errs, work: make(chan struct{}, 1)}
}

// run writes until the outbox is closed and empty, or cannot write.
func (o *outbox) run() {
	for {
		o.mu.Lock()
		switch {
		case o.err != nil || o.closed && len(o.parts) == 0:
			o.move()
			o.mu.Unlock()
			return
		case len(o.parts) == 0:
			o.mu.Unlock()
			<-o.work
			continue
		}
		if wait := gatherTime - time.Since(o.last); wait > 0 && o.size < onePacket && !o.prompt && !o.closed {
			o.mu.Unlock()
			select {
			case <-time.After(wait):
			case <-o.work: // look again
			}
			continue
		}
		p := o.next()
		o.mu.Unlock()
		to := o.out
		if p.errs {
			to = o.errs
		}
		_, err := to.Write(p.data)
		o.mu.Lock()
		o.done += o.flying
		o.flying, o.last = 0, time.Now()
		if err != nil && o.err == nil {
			o.err = errChannelGone
		}
		o.move()
		o.mu.Unlock()
	}
}

// move tells those who wait; o.mu is held.
func (o *outbox) move() {
	if o.moved != nil {
		close(o.moved)
		o.moved = nil
	}
}

// waiting gives what move closes; o.mu is held.
func (o *outbox) waiting() <-chan struct{} {
	if o.moved == nil {
		o.moved = make(chan struct{})
	}
	return o.moved
}

// next takes a packet's worth; o.mu is held and there is something.
func (o *outbox) next() part {
	p := o.parts[0]
	if len(p.data) > onePacket {
		o.parts[0].data = p.data[onePacket:]
		p.data = p.data[:onePacket]
	} else {
		o.parts[0] = part{}
		if o.parts = o.parts[1:]; len(o.parts) == 0 {
			o.parts = nil
		}
	}
	o.size -= len(p.data)
	o.flying, o.prompt = len(p.data), false
	return p
}

// draw is try for who may do so no longer if may, which is called where nothing
// can come in between, gives an error.
func (o *outbox) draw(data []byte, may func() error) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := may(); err != nil {
		return 0, err
	}
	return o.take(data, false)
}

// try takes as much as there is room for, which may be nothing, and never waits.
func (o *outbox) try(data []byte, errs bool) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.take(data, errs)
}

// take is try; o.mu is held.
func (o *outbox) take(data []byte, errs bool) (int, error) {
	if o.err != nil || o.closed {
		return 0, errChannelGone
	}
	n := min(len(data), max(0, maxShown-o.size-o.flying))
	o.add(data[:n], errs)
	return n, nil
}

// add queues; o.mu is held.
func (o *outbox) add(data []byte, errs bool) {
	if len(data) == 0 {
		return
	}
	if last := len(o.parts) - 1; last >= 0 && o.parts[last].errs == errs {
		o.parts[last].data = append(o.parts[last].data, data...)
	} else {
		o.parts = append(o.parts, part{errs, append([]byte(nil), data...)})
	}
	o.size += len(data)
	o.took += len(data)
	wake(o.work)
}

// put queues all of data, waiting for room until ctx ends.
func (o *outbox) put(ctx context.Context, data []byte, errs bool) error {
	for {
		n, err := o.try(data, errs)
		if err != nil {
			return err
		}
		if data = data[n:]; len(data) == 0 || !waits() {
			return nil
		}
		if n > 0 {
			continue
		}
		o.mu.Lock()
		moved, full := o.waiting(), o.size+o.flying >= maxShown && o.err == nil
		o.mu.Unlock()
		if !full {
			continue
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotRead, ctx.Err())
		}
	}
}

// await waits until try may take something, at most for limit.
func (o *outbox) await(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		o.mu.Lock()
		err, free, moved := o.err, o.size+o.flying < maxShown, o.waiting()
		o.mu.Unlock()
		switch {
		case err != nil:
			return err
		case free:
			return nil
		}
		select {
		case <-moved:
		case <-timer.C:
			return nil
		}
	}
}

// flush waits until everything is written that was taken until now, or until ctx ends.
func (o *outbox) flush(ctx context.Context) error {
	o.answer() // somebody waits
	o.mu.Lock()
	all := o.took
	o.mu.Unlock()
	for {
		o.mu.Lock()
		err, done, moved := o.err, o.done >= all || o.size+o.flying == 0, o.waiting()
		o.mu.Unlock()
		switch {
		case err != nil:
			return err
		case done:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotRead, ctx.Err())
		}
	}
}

// settle waits until no draw is under way.
func (o *outbox) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
}

// drop throws away what is not under way yet.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took -= o.size
	o.parts, o.size = nil, 0
	o.move()
}

// answer has what comes next go at once: somebody has typed.
func (o *outbox) answer() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.prompt = true
	if len(o.parts) > 0 { // else what comes wakes it
		wake(o.work)
	}
}

// close has run end once all is written; nothing more is taken.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	wake(o.work)
}
