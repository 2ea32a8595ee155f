package tmuxd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

const (
	// maxPrinted bounds what one command may print.
	maxPrinted = 16 << 20
	// maxAhead is how many lines are read that have not had their turn.
	maxAhead = 8
)

// What surrounds a session of -CC on the terminal.
const introducer = "\x1bP1000p"

// controlClient is a stock client in control mode. As with a tmux server, it is
// we who read and write its standard input and output; the client itself only
// prints %exit at the end.
type controlClient struct {
	*client
	in    *stream
	begun chan struct{} // closed when lines may be read
	lines chan string
	outbox

	mu      sync.Mutex
	printed []byte
	number  uint64
	bad     error // why reading ended, if it was not the end of input
}

// newControlClient takes over the descriptors that the client passed. With -CC
// there is one terminal for both ways.
func newControlClient(c *client) (*controlClient, error) {
	cc := &controlClient{client: c, begun: make(chan struct{}), lines: make(chan string, maxAhead)}
	from, to := c.hello.Stdin, c.hello.Stdout
	if c.hello.Flags.Has(wire.FlagControlControl) {
		to = from
	}
	var err error
	if cc.in, err = takeOver(from, "standard input", unix.O_RDONLY); err != nil {
		return nil, err
	}
	out, err := takeOver(to, "standard output", unix.O_WRONLY)
	if err != nil {
		_ = cc.in.file.Close()
		return nil, err
	}
	cc.outbox = newOutbox(out)
	if c.hello.Flags.Has(wire.FlagControlControl) {
		cc.push(entry{data: []byte(introducer)})
	}
	return cc, nil
}

// Lines gives what the client sends.
func (c *controlClient) Lines() <-chan string { return c.lines }

// read reads lines, once the command line is done, until the input ends. What is
// behind the last newline is no line, as in tmux.
func (c *controlClient) read(ctx context.Context) {
	defer close(c.lines)
	failpoint.At("tmuxd-lines")
	select {
	case <-c.begun:
	case <-ctx.Done():
		return
	}
	var have []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := c.in.read(buf)
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

func (c *controlClient) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = err
}

// Print keeps what a command prints for its block.
func (c *controlClient) Print(_ context.Context, fd int, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.printed)+len(data) > maxPrinted {
		return fmt.Errorf("a command printed more than %d bytes on descriptor %d", maxPrinted, fd)
	}
	c.printed = append(c.printed, data...)
	return nil
}

// Numbered notes the number of a block of a tmux server.
func (c *controlClient) Numbered(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number = max(c.number, number)
}

// errChanged is what stands in the place of an answer that may not be shown any
// more.
var errChanged = errors.New("rights have changed meanwhile; ask again")

// Reply writes the block of a command that muxward answers itself.
func (c *controlClient) Reply(ctx context.Context, line, failed bool, err error, gate gateway.Gate) error {
	c.mu.Lock()
	text := c.printed
	c.printed = nil
	c.number++
	block := control.Block{Time: time.Now(), Number: c.number, Line: line, Text: text, Failed: failed}
	c.mu.Unlock()
	if err != nil {
		block.Text = append(block.Text, readable(c.client, err.Error())...)
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
func (c *controlClient) Show(ctx context.Context, data []byte, gate gateway.Gate) error {
	return c.put(ctx, entry{data: data, gate: gate, tail: []byte{}})
}

// runControl serves a client in control mode: its command first, and what it
// sends by lines if that attached it.
func (c *conn) runControl(ctx context.Context, base gateway.Request, gone context.CancelCauseFunc) gateway.Result {
	cc, err := newControlClient(c.client)
	if err != nil {
		err = c.s.Gateway.Refuse(ctx, base, append([]string{"-C"}, c.client.hello.Argv...), err)
		return gateway.Result{Exit: 1, Message: readable(c.client, err.Error())}
	}
	base.Client = cc
	answers := c.s.Gateway.Answers(ctx, c.who)
	defer answers.Release() // when nothing is written any more
	var wg sync.WaitGroup
	reading, halt := context.WithCancel(ctx)
	wg.Go(func() {
		defer c.s.caught(whose(c.who)+"'s lines", gone)
		cc.read(reading)
	})
	wg.Go(func() {
		defer c.s.caught(whose(c.who)+"'s output", gone)
		if err := cc.write(); err != nil {
			gone(fmt.Errorf("the client's output: %w", err))
		}
	})
	defer func() {
		halt() // the client waits for us to end, not to read
		cc.stop()
		_ = cc.in.file.SetReadDeadline(time.Unix(1, 0)) // it may not be one that takes deadlines
		wg.Wait()
		_ = cc.in.file.Close()
		_ = cc.out.file.Close()
	}()
	result := c.control(ctx, cc, base, answers)
	cc.mu.Lock()
	if cc.bad != nil && result.Message == "" && ctx.Err() == nil {
		result = gateway.Result{Exit: 1, Message: readable(c.client, cc.bad.Error())}
	}
	cc.mu.Unlock()
	flushCtx, cancel := context.WithTimeout(ctx, lingerTime)
	defer cancel()
	cc.flush(flushCtx)
	result.Told = false // of the end the client itself tells
	return result
}

// control runs the client's command line, each command with its block, and
// waits for the end of what it was attached to.
func (c *conn) control(ctx context.Context, cc *controlClient, base gateway.Request, answers gateway.Answers) gateway.Result {
	gate := answers.Gate()
	reqs, err := c.s.Gateway.Parse(ctx, base, c.client.hello.Argv)
	if err != nil {
		// Without a block, as there is no command that it is about.
		_ = cc.Show(ctx, []byte(readable(c.client, err.Error())+"\n"), gate)
		return gateway.Result{Exit: 1}
	}
	if err := c.s.Gateway.PreviewAll(ctx, reqs); err != nil {
		_ = cc.Reply(ctx, false, true, err, gate)
		return gateway.Result{Exit: 1}
	}
	var last gateway.Result
	for _, req := range reqs {
		req.Current, req.CurrentOn, req.By = last.Current, last.CurrentOn, last.Attached
		gate := answers.Gate()
		r, err := c.s.Gateway.Handle(ctx, req)
		if r.Release != nil {
			defer r.Release()
		}
		failed := err != nil || r.Exit != 0 && !r.GoesOn
		if !r.Told {
			_ = cc.Reply(ctx, false, failed, err, gate)
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
	close(cc.begun)
	result, err := last.Attached.Wait(ctx)
	if err != nil && result.Message == "" {
		result.Exit, result.Message = max(result.Exit, 1), readable(c.client, err.Error())
	}
	return result
}
