package attach

import (
	"io"
	"os"
	"sync"
	"time"
)

// Canvas is a display that muxward draws on. Nothing is drawn ahead: what there is
// to draw is asked for when the terminal has taken what it got before, or that was
// dropped.
// It takes no input.
type Canvas struct {
	// draw gives what there is to draw, nil for nothing; dealt is told that what
	// it gave last was shown or dropped.
	draw  func() []byte
	dealt func()
	due   chan struct{} // holds one when there may be something to draw

	mu     sync.Mutex
	ended  chan struct{} // closed by Close, or by a deadline
	closed bool
	late   bool

	rest []byte // the reader's: what it has not read yet
}

// NewCanvas makes a canvas on which draw draws, called by the pump of its
// attachment each time after Due. dealt is called when the pump has dealt with all
// of it.
func NewCanvas(draw func() []byte, dealt func()) *Canvas {
	return &Canvas{draw: draw, dealt: dealt, due: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Due says that there is something to draw.
func (c *Canvas) Due() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// Read gives what is drawn next.
func (c *Canvas) Read(p []byte, before func()) (int, error) {
	if len(c.rest) == 0 {
		c.dealt()
	}
	for len(c.rest) == 0 {
		select {
		case <-c.ended:
			return 0, c.why()
		default:
		}
		select {
		case <-c.due:
			c.rest = c.draw()
		case <-c.ended:
		}
	}
	if before != nil {
		before()
	}
	return c.TryRead(p)
}

func (c *Canvas) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return io.EOF
	}
	return os.ErrDeadlineExceeded
}

// TryRead gives what is left of what was drawn.
func (c *Canvas) TryRead(p []byte) (int, error) {
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// SetReadDeadline ends reading at once, whatever the time: an attachment sets
// one when it is over.
func (c *Canvas) SetReadDeadline(time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	return nil
}

// end has reading end; mu is held.
func (c *Canvas) end() {
	if !c.late {
		c.late = true
		close(c.ended)
	}
}

// Close ends it for good.
func (c *Canvas) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.end()
	return nil
}

// TryWrite takes nothing: questions are put to a terminal by nobody here.
func (c *Canvas) TryWrite(p []byte) (int, error) { return len(p), nil }

// AwaitWrite has nothing to wait for.
func (c *Canvas) AwaitWrite(time.Duration) error { return nil }

// FlushInput has nothing to throw away.
func (c *Canvas) FlushInput() error { return nil }

// Erase is nothing to a canvas.
func (c *Canvas) Erase(byte) error { return nil }

// SetSize is nothing to a canvas: whoever draws looks at the attachment's size.
func (c *Canvas) SetSize(Window) error { return nil }
