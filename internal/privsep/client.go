package privsep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/passed"
)

// HelperProgram is what keeps root's rights where muxward runs as an account.
const HelperProgram = "muxward-helper"

// ErrHelperGone is the error of whatever is asked of a helper that has ended.
var ErrHelperGone = errors.New("muxward-helper has ended; start it again: the tmux servers go on, and are taken up")

// Client is the daemon's side of the line. It is safe for use by several
// goroutines. Make one with [Connect].
type Client struct {
	line  *Line
	turns map[Number]chan struct{}
	ofUID shares
	// ofDirectory are turns to ask about accounts of a directory.
	ofDirectory shares
	welcome     Welcome
	events      chan Event
	closing     chan struct{} // closed by Close
	once        sync.Once
	gone        chan struct{} // closed when nothing is read any more
	err         error         // why, once gone is closed

	writing sync.Mutex
	mu      sync.Mutex
	next    uint32
	waiting map[uint32]chan<- reply
}

// Event is something that the helper tells by itself. Files are the taker's.
type Event struct {
	Body  []byte
	Files []*os.File
}

type reply struct {
	packet Packet // its body is a copy
	files  []*os.File
}

// maxEvents is how many events wait for being taken. Who does not take them
// holds up the line.
const maxEvents = 256

// Connect says hello on a line.
func Connect(ctx context.Context, line *Line, release string) (*Client, error) {
	c := &Client{line: line, turns: map[Number]chan struct{}{}, waiting: map[uint32]chan<- reply{},
		events: make(chan Event, maxEvents), closing: make(chan struct{}), gone: make(chan struct{})}
	for n, most := range AtOnce() {
		c.turns[n] = make(chan struct{}, most)
	}
	go c.read()
	if _, err := c.Call(ctx, NumHello, Hello{Version, release}, &c.welcome); err != nil {
		return nil, errors.Join(fmt.Errorf("greet muxward-helper: %w", err), c.Close())
	}
	if c.welcome.Version != Version {
		return nil, errors.Join(fmt.Errorf("muxward-helper speaks version %d, and this muxward %d: install both of one release, and start it anew",
			c.welcome.Version, Version), c.Close())
	}
	return c, nil
}

// Close ends the line, and with it the helper.
func (c *Client) Close() error {
	c.once.Do(func() { close(c.closing) })
	err := c.line.Close()
	<-c.gone
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Gone is closed when the helper has ended, or the line was closed.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Events are what the helper tells by itself. It is closed with the line.
func (c *Client) Events() <-chan Event { return c.events }

// HelperPID is the helper's process.
func (c *Client) HelperPID() int { return c.welcome.PID }

// read passes on what comes, until the line ends.
func (c *Client) read() {
	buf := make([]byte, MaxPacket+1)
	var err error
	for err == nil {
		var p Packet
		var files []*os.File
		if p, files, err = c.line.ReceiveFiles(buf); err == nil {
			p.Body = append([]byte(nil), p.Body...)
			err = c.pass(p, files)
		}
		if err != nil {
			passed.Close(files)
		}
	}
	c.mu.Lock()
	c.err = ErrHelperGone
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, unix.ECONNRESET) {
		c.err = fmt.Errorf("%w (%w)", ErrHelperGone, err)
	}
	c.mu.Unlock()
	_ = c.line.Close()
	close(c.gone)
	close(c.events)
}

// pass gives a packet to whom it is for.
func (c *Client) pass(p Packet, files []*os.File) error {
	if p.Number == NumEvent && p.ID == 0 {
		select {
		case c.events <- Event{p.Body, files}:
			return nil
		case <-c.closing:
			return net.ErrClosed
		}
	}
	c.mu.Lock()
	to := c.waiting[p.ID]
	delete(c.waiting, p.ID)
	c.mu.Unlock()
	if to == nil || p.Number != NumDone && p.Number != NumFailed {
		return fmt.Errorf("%w: message %d answers nothing that was asked", ErrPacket, p.Number)
	}
	to <- reply{p, files} // there is room
	return nil
}

// Call has something done, and reads the answer into out. The descriptors that
// come with it are the caller's. If ctx ends, what was asked goes on, and what
// comes of it is closed.
func (c *Client) Call(ctx context.Context, n Number, body, out any) ([]*os.File, error) {
	return c.call(ctx, n, body, out, nil)
}

// call is Call. late undoes what was done when nobody waits for it any more; nil if there is
// nothing to undo.
func (c *Client) call(ctx context.Context, n Number, body, out any, late func(done []byte)) ([]*os.File, error) {
	return c.shared(ctx, n, body, out, late, func() {})
}

// shared is call for who has a share of the turns, which is over with the turn: after calls.
func (c *Client) shared(ctx context.Context, n Number, body, out any, late func(done []byte), after func()) ([]*os.File, error) {
	turn := c.turns[n]
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		after()
		return nil, fmt.Errorf("wait for muxward-helper: %w", context.Cause(ctx))
	case <-c.gone:
		after()
		return nil, c.err
	}
	leave := func() { <-turn; after() }
	answer, err := c.send(n, body)
	if err != nil {
		leave()
		return nil, err
	}
	select {
	case r := <-answer:
		leave()
		return r.read(out)
	case <-c.gone:
		leave()
		return nil, c.err
	case <-ctx.Done():
		go c.drop(answer, leave, late)
		return nil, fmt.Errorf("muxward-helper does not answer: %w", context.Cause(ctx))
	}
}

// drop waits for an answer that nobody wants any more: only then it is the
// turn of another.
func (c *Client) drop(answer <-chan reply, leave func(), late func(done []byte)) {
	defer leave()
	select {
	case r := <-answer:
		passed.Close(r.files)
		if late != nil && r.packet.Number == NumDone {
			late(r.packet.Body)
		}
	case <-c.gone:
	}
}

func (c *Client) send(n Number, body any) (<-chan reply, error) {
	answer := make(chan reply, 1)
	c.mu.Lock()
	c.next++
	if c.next == 0 { // of events
		c.next++
	}
	id := c.next
	c.waiting[id] = answer
	c.mu.Unlock()
	data, err := Pack(n, id, body)
	if err == nil {
		c.writing.Lock()
		err = c.line.Send(data)
		c.writing.Unlock()
	}
	if err != nil {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		select {
		case <-c.gone:
			err = c.err
		default:
		}
		return nil, fmt.Errorf("ask muxward-helper: %w", err)
	}
	return answer, nil
}

func (r reply) read(out any) ([]*os.File, error) {
	var err error
	if r.packet.Number == NumFailed {
		var f Failed
		if err = Decode(r.packet.Body, &f); err == nil {
			err = f.err()
		}
	} else {
		err = Decode(r.packet.Body, out)
	}
	if err != nil {
		passed.Close(r.files)
		return nil, err
	}
	return r.files, nil
}

// helperError is an error of the helper's: its text, and what it is.
type helperError struct {
	text string
	is   error
}

func (e *helperError) Error() string { return e.text }
func (e *helperError) Unwrap() error { return e.is }

func (f Failed) err() error {
	switch {
	case f.Fault.Valid():
		return f.Fault.WithText(f.Text)
	case f.Errno > 0:
		return &helperError{f.Text, unix.Errno(f.Errno)}
	}
	return errors.New(f.Text)
}

// FailedOf says on the line what an error is.
func FailedOf(err error) Failed {
	f := Failed{Text: cut(err.Error(), keep.MaxText), Fault: keep.FaultOf(err)}
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		f.Errno = int(errno)
	}
	return f
}

func cut(s string, most int) string { return s[:min(len(s), most)] }
