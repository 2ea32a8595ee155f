package controlmode

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
)

// maxQueued is how many bytes wait for a client that does not read.
const maxQueued = 256 << 10

// outbox holds what is to be written to a client in control mode, in order, and
// writes each part only if it is permitted at that moment.
type outbox struct {
	out Streams

	omu     sync.Mutex
	entries []entry
	size    int // of entries, and of what is being written
	writing bool
	ended   error         // nothing is taken or written any more
	room    chan struct{} // ready when there may be room, or it has ended
	work    chan struct{} // ready when there is something to write, or it has ended
	idle    chan struct{} // ready when all is written, or it has ended
}

// entry is one part: whole lines.
type entry struct {
	data []byte
	gate gateway.Gate // nil lets it through
	// What takes its place once it is not permitted any more: instead if
	// nothing of it was written, else tail, on a line of its own.
	instead, tail []byte
}

func newOutbox(out Streams) outbox {
	return outbox{
		out: out, room: make(chan struct{}, 1), work: make(chan struct{}, 1), idle: make(chan struct{}, 1),
	}
}

// wake makes a channel of capacity one ready.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

var errOutboxClosed = errors.New("nothing is written to the client any more")

// push queues an entry, however much is queued.
func (o *outbox) push(e entry) {
	o.omu.Lock()
	defer o.omu.Unlock()
	o.add(e)
}

// add queues an entry; o.omu is held.
func (o *outbox) add(e entry) {
	o.entries = append(o.entries, e)
	o.size += len(e.data)
	wake(o.work)
}

// put queues an entry once there is room.
func (o *outbox) put(ctx context.Context, e entry) error {
	for {
		o.omu.Lock()
		if o.ended != nil {
			wake(o.room) // for whoever waits, too
			o.omu.Unlock()
			return o.ended
		}
		if o.size == 0 || o.size+len(e.data) <= maxQueued {
			o.add(e)
			wake(o.room)
			o.omu.Unlock()
			return nil
		}
		o.omu.Unlock()
		select {
		case <-o.room:
		case <-ctx.Done():
			return fmt.Errorf("the client does not read: %w", ctx.Err())
		}
	}
}

// next takes the next entry, waiting for it; nil when it has ended.
func (o *outbox) next() *entry {
	for {
		o.omu.Lock()
		if o.ended != nil {
			o.omu.Unlock()
			return nil
		}
		if len(o.entries) > 0 {
			e := o.entries[0]
			o.entries[0] = entry{}
			o.entries = o.entries[1:]
			o.writing = true
			o.omu.Unlock()
			return &e
		}
		o.writing = false
		wake(o.idle)
		o.omu.Unlock()
		<-o.work
	}
}

// write writes entries until the outbox is stopped, or cannot write.
func (o *outbox) write() error {
	for {
		e := o.next()
		if e == nil {
			return nil
		}
		failpoint.At("controlmode-show")
		size := len(e.data)
		if err := o.deliver(e); err != nil {
			stopped := !o.stop()
			if stopped {
				return nil
			}
			return err
		}
		o.omu.Lock()
		o.size -= size
		wake(o.room)
		o.omu.Unlock()
	}
}

// deliver writes one entry, or what takes its place. What ends it is an error of
// writing; that something is not permitted is none.
func (o *outbox) deliver(e *entry) error {
	rest, last := e.data, byte('\n')
	for len(rest) > 0 {
		n, denied, err := o.out.Deliver(rest, e.gate)
		if n > 0 {
			last, rest = rest[n-1], rest[n:]
		}
		switch {
		case err != nil:
			return err
		case denied == nil:
		case len(rest) == len(e.data):
			e = &entry{data: e.instead}
			rest = e.data
		default:
			tail := e.tail
			if last != '\n' {
				tail = append([]byte("\n"), tail...)
			}
			e = &entry{data: tail}
			rest = e.data
		}
	}
	return nil
}

// Pass has deliver happen if gate, which may be nil, lets it.
func Pass(gate gateway.Gate, deliver func() error) error {
	if gate == nil {
		return deliver()
	}
	return gate(deliver)
}

// flush waits until all is written.
func (o *outbox) flush(ctx context.Context) {
	for {
		o.omu.Lock()
		done := o.ended != nil || len(o.entries) == 0 && !o.writing
		o.omu.Unlock()
		if done {
			return
		}
		select {
		case <-o.idle:
		case <-ctx.Done():
			return
		}
	}
}

// stop ends the writer, and reports whether it was this that did.
func (o *outbox) stop() (first bool) {
	o.omu.Lock()
	defer o.omu.Unlock()
	if o.ended != nil {
		return false
	}
	o.ended = errOutboxClosed
	o.entries = nil
	wake(o.work)
	wake(o.room)
	wake(o.idle)
	o.out.StopWriting()
	return true
}
