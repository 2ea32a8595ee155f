package sshd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/server/controlmode"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// What surrounds a session of -CC on the terminal.
const (
	introducer = "\x1bP1000p"
	terminator = "\x1b\\"
)

// exitTime is how long a client that wanted to be waited for (wait-exit) may take to
// say that it has read everything.
const exitTime = time.Minute

// streams are the standard input and output of somebody in control mode: the channel.
type streams struct {
	x    *session
	ctx  context.Context // of whoever waits for room
	stop context.CancelFunc
	// whole is set if keys mean nothing but themselves: -CC.
	whole bool
}

var _ controlmode.Streams = (*streams)(nil)

// Read gives what was sent. A terminal's return key ends a line, and unless they mean
// themselves C-c and C-d end it all.
func (s *streams) Read(p []byte) (int, error) {
	n, err := s.x.in.read(p, nil, func() error { return nil })
	if s.x.term == nil || err != nil {
		return n, err
	}
	for i, c := range p[:n] {
		switch {
		case c == '\r':
			p[i] = '\n'
		case !s.whole && (c == 3 || c == 4):
			s.x.in.drop()
			s.x.in.end()
			return i, nil
		}
	}
	return n, nil
}

// Deliver puts a packet's worth on its way.
func (s *streams) Deliver(data []byte, gate gateway.Gate) (n int, denied, err error) {
	part := data[:min(len(data), onePacket/2)]
	if denied, err = s.x.deliver(s.ctx, part, gate); denied != nil || err != nil {
		return 0, denied, err
	}
	return len(part), nil, nil
}

// Settle implements [controlmode.Streams].
func (s *streams) Settle(ctx context.Context) error { return s.x.settle(ctx) }

// Through implements [controlmode.Streams].
func (s *streams) Through(ctx context.Context) { s.x.through(ctx) }

// StopReading and StopWriting end whoever waits.
func (s *streams) StopReading() { s.x.in.setDeadline(longAgo) }
func (s *streams) StopWriting() { s.stop() }

// control serves somebody in control mode.
func (x *session) control(ctx context.Context, asked command) (gateway.Result, error) {
	leave, ok := x.c.s.enter(x.c.s.control, x.c.who.Person(), maxControl)
	if !ok {
		return gateway.Result{}, x.c.s.Gateway.Refuse(ctx, x.base(), append([]string{asked.mode}, asked.argv...),
			fmt.Errorf("you have %d clients in control mode here, and no more are offered", maxControl))
	}
	defer leave()
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	s := &streams{x: x, ctx: waiting, stop: stop, whole: asked.mode == "-CC"}
	x.client.hello.Flags |= wire.FlagControl
	cc := controlmode.New(x.client, s)
	cc.Readable, cc.Gone, cc.MaxPrinted = x.readable, gone, maxPrinted
	cc.Fault = func(what string, fault any) { x.c.s.faulted(x.c.who.Person()+"'s "+what, fault, x.gone) }
	if s.whole {
		x.client.hello.Flags |= wire.FlagControlControl
		cc.Write([]byte(introducer))
	}
	r := cc.Run(ctx, x.c.s.Gateway, x.base(), asked.argv)
	last := "%exit"
	if r.Silent {
		r.Exit, r.Message = 1, "server exited unexpectedly"
	}
	if r.Message != "" {
		last += " " + strings.ReplaceAll(x.readable(r.Message), "\n", " ")
	}
	if err := x.print(ctx, []byte(last+"\n"), false); err != nil {
		return gateway.Result{Exit: max(r.Exit, 1)}, nil //nolint:nilerr // there is nobody to tell
	}
	if x.client.asksToWait() {
		x.awaitEmptyLine(ctx, cc)
	}
	if s.whole {
		_ = x.print(ctx, []byte(terminator), false) // whoever has gone sees nothing
	}
	return gateway.Result{Exit: r.Exit}, nil
}

// asksToWait reports whether the client in control mode wants to be waited for.
func (c *client) asksToWait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waits
}

// awaitEmptyLine waits until a client has read everything, which it says with an
// empty line or the end of its input.
func (x *session) awaitEmptyLine(ctx context.Context, cc *controlmode.Client) {
	for line := range cc.Lines() {
		if line == "" {
			return
		}
	}
	x.in.setDeadline(time.Now().Add(exitTime))
	stop := context.AfterFunc(ctx, func() { x.in.setDeadline(longAgo) })
	defer stop()
	last := byte('\n')
	buf := make([]byte, 4<<10)
	for {
		n, err := x.in.read(buf, nil, ctx.Err)
		if err != nil {
			return
		}
		for _, c := range buf[:n] {
			if c == '\r' && x.term != nil {
				c = '\n'
			}
			if c == '\n' && last == '\n' {
				return
			}
			last = c
		}
	}
}
