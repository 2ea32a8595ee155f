package controlmode

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/control"
)

const (
	// maxPrinted bounds what one command may print, if its client does not say so.
	maxPrinted = 16 << 20
	// maxAhead is how many lines are read that have not had their turn.
	maxAhead = 8
	// flushTime is how long the last words may take.
	flushTime = 5 * time.Second
)

// Streams are a client's standard input and output.
type Streams interface {
	// Read gives what was sent, once something was.
	Read(p []byte) (int, error)
	// Deliver writes a part of data if gate, which may be nil, lets it through then.
	// It waits for room before that, and within the gate for nothing.
	Deliver(data []byte, gate gateway.Gate) (n int, denied, err error)
	// Settle waits until what was delivered is the client's, or will never be.
	Settle(ctx context.Context) error
	// Through waits, for a while, until what was delivered is the client's, and sees to
	// it that it never will be if that takes longer. What StopWriting ends it is not.
	Through(ctx context.Context)
	// StopReading and StopWriting end whoever waits.
	StopReading()
	StopWriting()
}

// Client is a client in control mode. As with a tmux server, it is we who read and
// write its standard input and output.
type Client struct {
	// Client is the door's, which has no lines.
	gateway.Client
	// Readable makes text fit for the client.
	Readable func(string) string
	// Fault tells of a fault in what serves the client, and ends the client.
	Fault func(what string, fault any)
	// MaxPrinted bounds what one command may print, if not 0.
	MaxPrinted int
	// Gone ends the client's connection.
	Gone context.CancelCauseFunc

	streams Streams
	begun   chan struct{} // closed when lines may be read
	lines   chan string
	outbox
	answers gateway.Answers // from when it runs

	mu      sync.Mutex
	printed []byte
	number  uint64
	bad     error // why reading ended, if it was not the end of input
}

var _ gateway.ControlClient = (*Client)(nil)

// New makes a client in control mode of one that a door has. The caller sets its
// fields before [Client.Run].
func New(client gateway.Client, streams Streams) *Client {
	return &Client{Client: client, streams: streams, begun: make(chan struct{}), lines: make(chan string, maxAhead), outbox: newOutbox(streams)}
}

// Write has the client written what rests on no right.
func (c *Client) Write(data []byte) { c.push(entry{data: data}) }

// Lines gives what the client sends.
func (c *Client) Lines() <-chan string { return c.lines }

// read reads lines, once the command line is done, until the input ends. What is
// behind the last newline is no line, as in tmux.
func (c *Client) read(ctx context.Context) {
	defer close(c.lines)
	failpoint.At("controlmode-lines")
	select {
	case <-c.begun:
	case <-ctx.Done():
		return
	}
	var have []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := c.streams.Read(buf)
		have = append(have, buf[:n]...)
		for {
			line, rest, whole := bytes.Cut(have, []byte("\n"))
			if !whole {
				break
			}
			select {
			case c.lines <- string(line):
			case <-ctx.Done():
				return
			}
			have = rest
		}
		switch {
		case len(have) > control.MaxLine:
			c.fail(fmt.Errorf("a line of more than %d bytes", control.MaxLine))
			return
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			c.fail(err)
			return
		}
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = err
}

// Print keeps what a command prints for its block.
func (c *Client) Print(_ context.Context, fd int, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if most := cmp.Or(c.MaxPrinted, maxPrinted); len(c.printed)+len(data) > most {
		return fmt.Errorf("a command printed more than %d bytes on descriptor %d", most, fd)
	}
	c.printed = append(c.printed, data...)
	return nil
}

// Numbered notes the number of a block of a tmux server.
func (c *Client) Numbered(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number = max(c.number, number)
}

// errChanged is what stands in the place of an answer that may not be shown any
// more.
var errChanged = errors.New("rights have changed meanwhile, and the answer is kept back; it may have been done: look before you ask again")

// Reply writes the block of a command that muxward answers itself.
func (c *Client) Reply(ctx context.Context, line, failed bool, err error, gate gateway.Gate) error {
	c.mu.Lock()
	text := c.printed
	c.printed = nil
	c.number++
	block := control.Block{Time: time.Now(), Number: c.number, Line: line, Text: text, Failed: failed}
	c.mu.Unlock()
	if err != nil {
		block.Text = append(block.Text, c.Readable(err.Error())...)
	}
	for block.Forged() { // we choose the number, so it is one that the text does not know
		c.mu.Lock()
		c.number++
		block.Number = c.number
		c.mu.Unlock()
	}
	e := entry{data: block.Append(nil), gate: gate}
	if gate != nil {
		block.Failed = true
		e.tail = append([]byte(errChanged.Error()+"\n"), block.AppendEnd(nil)...)
		block.Text = []byte(errChanged.Error())
		e.instead = block.Append(nil)
	}
	return c.put(ctx, e)
}

// Show writes lines, when gate lets them through.
func (c *Client) Show(ctx context.Context, data []byte, gate gateway.Gate) error {
	return c.put(ctx, entry{data: data, gate: gate, tail: []byte{}})
}

// Answers is the permit of what is answered to the client.
func (c *Client) Answers() gateway.Answers { return c.answers }

// Settle waits until what was let through is the client's, or will never be.
func (c *Client) Settle(ctx context.Context) error { return c.streams.Settle(ctx) }

// Run serves the client: its command line first, and what it sends by lines if that
// attached it. It gives how that ended, when all is written.
func (c *Client) Run(ctx context.Context, g *gateway.Gateway, base gateway.Request, argv []string) gateway.Result {
	base.Client = c
	c.answers = g.Answers(ctx, base.Identity, c.Settle)
	defer func() { // when nothing is written any more, and nothing is on its way for which nobody would answer
		c.streams.Through(ctx)
		c.answers.Release()
	}()
	var wg sync.WaitGroup
	reading, halt := context.WithCancel(ctx)
	wg.Go(func() {
		defer c.caught("lines")
		c.read(reading)
	})
	wg.Go(func() {
		defer c.caught("output")
		if err := c.write(); err != nil {
			c.Gone(fmt.Errorf("the client's output: %w", err))
		}
	})
	defer func() {
		halt() // the client waits for us to end, not to read
		c.stop()
		c.streams.StopReading()
		wg.Wait()
	}()
	result := c.control(ctx, g, base, argv)
	c.mu.Lock()
	if c.bad != nil && result.Message == "" && ctx.Err() == nil {
		result = gateway.Result{Exit: 1, Message: c.Readable(c.bad.Error())}
	}
	c.mu.Unlock()
	flushCtx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	c.flush(flushCtx)
	result.Told = false // of the end the client is told in its own words
	return result
}

// caught keeps a fault in what serves the client from ending more than that. It is to
// be deferred itself: what it calls recovers nothing.
func (c *Client) caught(what string) {
	if r := recover(); r != nil {
		c.Fault(what, r)
	}
}

// control runs the client's command line, each command with its block, and
// waits for the end of what it was attached to.
func (c *Client) control(ctx context.Context, g *gateway.Gateway, base gateway.Request, argv []string) gateway.Result {
	gate := c.answers.Gate()
	reqs, err := g.Parse(ctx, base, argv)
	if err != nil {
		// Without a block, as there is no command that it is about.
		_ = c.Show(ctx, []byte(c.Readable(err.Error())+"\n"), gate)
		return gateway.Result{Exit: 1}
	}
	if err := g.PreviewAll(ctx, reqs); err != nil {
		_ = c.Reply(ctx, false, true, err, gate)
		return gateway.Result{Exit: 1}
	}
	var last gateway.Result
	for _, req := range reqs {
		req.Current, req.CurrentOn, req.By = last.Current, last.CurrentOn, last.Attached
		gate := c.answers.Gate()
		r, err := g.Handle(ctx, req)
		if r.Release != nil {
			defer r.Release()
		}
		failed := err != nil || r.Exit != 0 && !r.GoesOn
		if !r.Told {
			_ = c.Reply(ctx, false, failed, err, gate)
		}
		if r.Current == nil {
			r.Current, r.CurrentOn = last.Current, last.CurrentOn
		}
		if r.Attached == nil {
			r.Attached = last.Attached
		}
		if last = gateway.After(last, r, req); failed {
			last.Exit = max(last.Exit, 1)
			break
		}
	}
	if last.Attached == nil {
		return gateway.Result{Exit: last.Exit, Message: last.Message}
	}
	close(c.begun)
	result, err := last.Attached.Wait(ctx)
	if err != nil && result.Message == "" {
		result.Exit, result.Message = max(result.Exit, 1), c.Readable(err.Error())
	}
	return result
}
