package sshd

import (
	"io"
	"os"
	"sync"
	"time"
)

// maxTyped is how much is held of what somebody typed before they have to wait.
const maxTyped = 64 << 10

// inbox holds what came over a channel until somebody reads it.
type inbox struct {
	mu       sync.Mutex
	buf      []byte
	err      error // of the channel, once buf is read
	deadline time.Time
	alarm    *time.Timer
	ready    chan struct{} // there is something, or the deadline has come
	room     chan struct{}
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fill reads from r until it ends, or stop is closed.
func (b *inbox) fill(r io.Reader, stop <-chan struct{}) {
	p := make([]byte, 16<<10)
	for {
		n, err := r.Read(p)
		b.mu.Lock()
		b.buf = append(b.buf, p[:n]...)
		if err != nil {
			b.err = io.EOF
		}
		full := len(b.buf) >= maxTyped
		wake(b.ready)
		b.mu.Unlock()
		if err != nil {
			return
		}
		for full {
			select {
			case <-b.room:
			case <-stop:
				return
			}
			b.mu.Lock()
			full = len(b.buf) >= maxTyped
			b.mu.Unlock()
		}
	}
}

// read waits for what was typed, the deadline or the end. before is called
// directly before each look; may is called where nothing can come in between, and
// says with an error that nothing is to be read.
func (b *inbox) read(p []byte, before func(), may func() error) (int, error) {
	for {
		if before != nil {
			before()
		}
		b.mu.Lock()
		if err := may(); err != nil {
			b.mu.Unlock()
			return 0, err
		}
		if n := copy(p, b.buf); n > 0 {
			b.buf = b.buf[n:]
			if len(b.buf) == 0 {
				b.buf = nil
			}
			wake(b.room)
			b.mu.Unlock()
			return n, nil
		}
		err := b.err
		if err == nil && !b.deadline.IsZero() && !time.Now().Before(b.deadline) {
			err = os.ErrDeadlineExceeded
		}
		b.mu.Unlock()
		if err != nil {
			wake(b.ready) // the next read sees it, too
			return 0, err
		}
		<-b.ready // there is a deadline, or the channel's end
	}
}

// setDeadline ends a read at t; the zero time ends none.
func (b *inbox) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.alarm != nil {
		b.alarm.Stop()
		b.alarm = nil
	}
	b.deadline = t
	if t.IsZero() {
		return
	}
	if left := time.Until(t); left > 0 {
		b.alarm = time.AfterFunc(left, func() { wake(b.ready) })
	} else {
		wake(b.ready)
	}
}

// settle waits until no read takes anything that began before.
func (b *inbox) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
}

// drop throws away what was typed and nobody has read.
func (b *inbox) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = nil
	wake(b.room)
}

// end has whoever reads hear that nothing comes any more.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = io.EOF
	wake(b.ready)
}
