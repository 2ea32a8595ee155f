package sshd

import (
	"context"
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
	err      error     // of the channel, once buf is read
	last     time.Time // when something came
	deadline time.Time
	alarm    *time.Timer
	skip     time.Time     // what comes before this is thrown away, and moves it on
	most     time.Time     // but not beyond this
	ready    chan struct{} // there is something, or the deadline has come
	room     chan struct{}
}

func newInbox() *inbox {
	return &inbox{last: time.Now(), ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fill reads from r until it ends, or stop is closed.
func (b *inbox) fill(r io.Reader, stop <-chan struct{}) {
	p := make([]byte, 2<<10) // each person has one
	for {
		n, err := r.Read(p)
		b.mu.Lock()
		now := time.Now()
		if b.last = now; b.skips(now) {
			n = 0
			b.skip = later(b.skip, now.Add(quietTime))
		}
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

// since is how long nothing has come.
func (b *inbox) since() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.last)
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

const (
	// quietTime is how long nothing has to come until what was typed before is
	// known to be over.
	quietTime = 100 * time.Millisecond
	// skipTime bounds how long it is waited for that.
	skipTime = time.Second
)

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// skips reports whether what comes is thrown away; b.mu is held.
func (b *inbox) skips(now time.Time) bool { return now.Before(b.skip) && now.Before(b.most) }

// begin throws away what was typed, and what comes until [inbox.answered], at
// most for a while.
func (b *inbox) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = time.Now().Add(skipTime)
	b.skip = b.most
	b.buf = nil
	wake(b.room)
}

// answered is called when what was typed before begin has come to this host. It
// still has to come here, where the rest of it is thrown away.
func (b *inbox) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.skips(now) {
		b.skip, b.most = now.Add(quietTime), now.Add(skipTime)
	}
}

// quiet waits until nothing is thrown away any more.
func (b *inbox) quiet(ctx context.Context) {
	for {
		b.mu.Lock()
		now := time.Now()
		wait, skips := min(b.skip.Sub(now), b.most.Sub(now)), b.skips(now)
		b.mu.Unlock()
		if !skips {
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
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
