package sshd

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/attach/screen"
)

// terminal is the terminal at the other end of a channel. It is theirs to put
// right if this process is killed: their own client sets its modes back.
type terminal struct {
	in    *inbox
	out   *outbox
	erase byte
	// passed waits until what was written is on its way, and abort ends the
	// connection at once, with what the network still holds.
	passed func(context.Context) error
	abort  func()
	// forget throws away what was typed until now, wherever it is.
	forget func()

	size *atomic.Pointer[attach.Window]
	away atomic.Bool
	dead atomic.Bool // it was closed
	lmu  sync.Mutex  // Enter, Leave
}

var _ attach.Terminal = (*terminal)(nil)

func newTerminal(in *inbox, out *outbox, erase byte, passed func(context.Context) error, abort, forget func()) *terminal {
	t := &terminal{in: in, out: out, erase: erase, passed: passed, abort: abort, forget: forget, size: new(atomic.Pointer[attach.Window])}
	t.away.Store(true)
	return t
}

// again gives the terminal once more, to somebody else than had it before: those may
// still be about to give it back, and have nothing to say about it any more.
func (t *terminal) again() *terminal {
	next := newTerminal(t.in, t.out, t.erase, t.passed, t.abort, t.forget)
	next.size = t.size
	return next
}

// resize takes what the client says (RFC 4254, 6.2 and 6.7).
func (t *terminal) resize(cols, rows, width, height uint32) {
	t.size.Store(&attach.Window{Size: attach.Size{Cols: clamp(cols), Rows: clamp(rows)}, Width: clamp(width), Height: clamp(height)})
}

// Enter implements [attach.Terminal]. The client has set its own terminal to raw
// mode when it asked for one here.
func (t *terminal) Enter() error {
	t.lmu.Lock()
	defer t.lmu.Unlock()
	if t.dead.Load() {
		return attach.ErrAway
	}
	t.in.setDeadline(time.Time{})
	t.away.Store(false)
	return nil
}

// Leave implements [attach.Terminal]. What is to be thrown away and cannot be,
// because the network holds it up, takes the connection along.
func (t *terminal) Leave(ctx context.Context, how attach.Leaving) error {
	t.lmu.Lock()
	defer t.lmu.Unlock()
	if t.away.Swap(true) {
		return nil
	}
	t.in.setDeadline(longAgo)
	t.in.settle()
	t.out.settle()
	err := t.part(ctx, how)
	if errors.Is(err, errChannelGone) {
		return nil // there is nobody to give it back to
	}
	return err
}

// part writes the last of what is shown.
func (t *terminal) part(ctx context.Context, how attach.Leaving) error {
	if how.Discard {
		t.in.drop()
		t.out.drop()
		short, cancel := context.WithTimeout(ctx, stuckTime)
		err := t.passed(short)
		cancel()
		if errors.Is(err, errNotRead) {
			t.abort() // it is thrown away with the connection
			return nil
		}
	}
	last := screen.Restore(how.Now, how.Ever)
	if how.Text != "" {
		last = append(last, "\r"+attach.Printable(how.Text)+"\r\n"...)
	}
	err := t.out.put(ctx, last, false)
	if err == nil {
		err = t.passed(ctx)
	}
	if errors.Is(err, errNotRead) {
		// Nobody answers from here on for what was shown.
		t.out.drop()
		t.abort()
		return nil
	}
	return err
}

// stuckTime is how long the network may hold up what was to be thrown away.
const stuckTime = 300 * time.Millisecond

// longAgo is a deadline that ends whatever waits.
var longAgo = time.Unix(1, 0)

// Mark implements [attach.Terminal]: nobody but the client can undo anything
// after this process is gone.
func (t *terminal) Mark(screen.Marks, screen.Marks) {}

// here reports that the terminal was left.
func (t *terminal) here() error {
	if t.away.Load() {
		return attach.ErrAway
	}
	return nil
}

// Read implements [attach.Terminal].
func (t *terminal) Read(p []byte, before func()) (int, error) {
	n, err := t.in.read(p, before, t.here)
	if n > 0 {
		t.out.answer()
	}
	return n, err
}

// SetReadDeadline implements [attach.Terminal].
func (t *terminal) SetReadDeadline(at time.Time) error {
	if !t.dead.Load() {
		t.in.setDeadline(at)
	}
	return nil
}

// TryWrite implements [attach.Terminal].
func (t *terminal) TryWrite(p []byte) (int, error) {
	n, err := t.out.draw(p, t.here)
	if err != nil && !errors.Is(err, attach.ErrAway) {
		return 0, io.EOF
	}
	return n, err
}

// AwaitWrite implements [attach.Terminal].
func (t *terminal) AwaitWrite(limit time.Duration) error {
	if t.out.await(limit) != nil {
		return io.EOF
	}
	return nil
}

// Drop implements [attach.Terminal]. What is being written is not here any more.
func (t *terminal) Drop() error {
	if t.here() == nil {
		t.out.drop()
	}
	return nil
}

// Gone implements [attach.Terminal].
func (t *terminal) Gone(ctx context.Context) error {
	if t.here() != nil {
		return nil // it is somebody else's, or was given back
	}
	err := t.passed(ctx)
	if errors.Is(err, errChannelGone) {
		return nil
	}
	return err
}

// Window implements [attach.Terminal].
func (t *terminal) Window() (attach.Window, error) {
	if w := t.size.Load(); w != nil {
		return *w, nil
	}
	return attach.Window{}, nil
}

// clamp keeps what a client says within a number; the attachment has bounds of
// its own.
func clamp(n uint32) int { return int(min(n, 1<<16)) }

// Erase implements [attach.Terminal].
func (t *terminal) Erase() byte { return t.erase }

// FlushInput implements [attach.Terminal]. What is on its way from the client was
// typed before, too.
func (t *terminal) FlushInput() error {
	t.forget()
	return nil
}

// Close implements [attach.Terminal]. The channel is the session's to close.
func (t *terminal) Close() error {
	if t.dead.Swap(true) {
		return nil
	}
	t.away.Store(true)
	t.in.setDeadline(longAgo)
	t.in.settle()
	t.out.settle()
	return nil
}
