package tmuxd

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/server/controlmode"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// What surrounds a session of -CC on the terminal.
const introducer = "\x1bP1000p"

// streams are the standard input and output of a stock client in control mode. The
// client itself only prints %exit at the end.
type streams struct{ in, out *stream }

var _ controlmode.Streams = (*streams)(nil)

// openStreams takes over the descriptors that the client passed. With -CC there is
// one terminal for both ways.
func openStreams(c *client) (*streams, error) {
	from, to := c.hello.Stdin, c.hello.Stdout
	if c.hello.Flags.Has(wire.FlagControlControl) {
		to = from
	}
	in, err := takeOver(from, "standard input", unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	out, err := takeOver(to, "standard output", unix.O_WRONLY)
	if err != nil {
		_ = in.file.Close()
		return nil, err
	}
	return &streams{in, out}, nil
}

func (s *streams) Read(p []byte) (int, error) { return s.in.read(p) }

// Deliver makes one call that writes, in the gate, when there is room.
func (s *streams) Deliver(data []byte, gate gateway.Gate) (n int, denied, err error) {
	raw, err := s.out.file.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var failed error
	waited := raw.Write(func(fd uintptr) bool {
		n, failed = 0, nil
		denied = controlmode.Pass(gate, func() error {
			n, failed = s.out.tryWrite(int(fd), data)
			return nil
		})
		return !errors.Is(failed, unix.EAGAIN)
	})
	switch {
	case waited != nil:
		return n, denied, waited
	case errors.Is(failed, unix.EINTR):
		return n, denied, nil
	}
	return n, denied, failed
}

// Settle does nothing: what is written to a descriptor is the client's.
func (s *streams) Settle(context.Context) error { return nil }

// Through does nothing, either.
func (s *streams) Through(context.Context) {}

// StopReading and StopWriting end whoever waits; what takes no deadline does not wait.
func (s *streams) StopReading() { _ = s.in.file.SetReadDeadline(time.Unix(1, 0)) }
func (s *streams) StopWriting() { _ = s.out.file.SetWriteDeadline(time.Unix(1, 0)) }

func (s *streams) close() {
	_ = s.in.file.Close()
	_ = s.out.file.Close()
}

// runControl serves a client in control mode.
func (c *conn) runControl(ctx context.Context, base gateway.Request, gone context.CancelCauseFunc) gateway.Result {
	s, err := openStreams(c.client)
	if err != nil {
		err = c.s.Gateway.Refuse(ctx, base, append([]string{"-C"}, c.client.hello.Argv...), err)
		return gateway.Result{Exit: 1, Message: readable(c.client, err.Error())}
	}
	defer s.close()
	cc := controlmode.New(c.client, s)
	cc.Readable = func(text string) string { return readable(c.client, text) }
	cc.Fault = func(what string, fault any) { c.s.faulted(whose(c.who)+"'s "+what, fault, gone) }
	cc.Gone = gone
	if c.client.hello.Flags.Has(wire.FlagControlControl) {
		cc.Write([]byte(introducer))
	}
	return cc.Run(ctx, c.s.Gateway, base, c.client.hello.Argv)
}
