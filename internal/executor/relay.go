package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// exitTime is how long a server may take to say goodbye.
const exitTime = 2 * time.Second

// answerTime is how long a server may take over a command.
const answerTime = 5 * time.Second

// errServerGone is what a person hears when the tmux server died under their
// command.
var errServerGone = errors.New("server exited unexpectedly")

// relay stands between a person's tmux client and a real tmux server. A tmux
// client does what its server says, so the relay passes on no more than what
// this request itself named: its own files, its standard streams, its end.
type relay struct {
	server *wire.Conn
	client gateway.Client
	plan   *gateway.Plan

	streams map[int32]stream // by the server's numbers
	waiting bool             // the client's input was asked for
	fault   atomic.Pointer[error]
	// answered is closed when no answers are passed on any more; nil before
	// any were asked for.
	answered chan struct{}
}

type stream struct {
	fd     int   // 1 or 2 for the standard streams, else 0
	client int32 // the number at the client
}

// run passes messages until the server says how it ended.
func (r *relay) run(ctx context.Context) (wire.Exit, error) {
	r.streams = map[int32]stream{}
	ctx, stop := context.WithCancel(ctx)
	exit, err := r.pass(ctx)
	stop()
	return exit, errors.Join(err, r.settled())
}

// settled waits until nothing is passed to the server any more.
func (r *relay) settled() error {
	if r.answered == nil {
		return nil
	}
	select {
	case <-r.answered:
		return nil
	case <-time.After(exitTime):
		return stuck()
	}
}

func (r *relay) pass(ctx context.Context) (wire.Exit, error) {
	for {
		m, err := r.next(ctx)
		if err != nil {
			return wire.Exit{Code: 1}, err
		}
		done, err := r.take(ctx, m)
		if err != nil {
			return wire.Exit{Code: 1}, err
		}
		if done != nil {
			r.bye(ctx)
			return *done, nil
		}
	}
}

// next waits for the server's next message. Only a command that waits for the
// person's own input may take its time.
func (r *relay) next(ctx context.Context) (wire.Message, error) {
	wait := ctx
	if !r.waiting {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, answerTime)
		defer cancel()
	}
	m, err := r.server.ReadMsg(wait)
	if err == nil {
		return m, nil
	}
	if ctx.Err() == nil && wait.Err() != nil {
		return nil, fmt.Errorf("the tmux server has not answered for %v; it may still do what was asked: "+
			"look before you ask again", answerTime)
	}
	return nil, r.gone(ctx, err)
}

// gone words the end of a connection that did not say goodbye.
func (r *relay) gone(ctx context.Context, err error) error {
	if fault := r.fault.Load(); fault != nil {
		return *fault
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return errServerGone
	}
	return err
}

// take handles one message of the server, and gives the exit if that was it.
func (r *relay) take(ctx context.Context, m wire.Message) (*wire.Exit, error) {
	switch m := m.(type) {
	case *wire.Exit:
		return m, nil
	case *wire.Shutdown:
		return &wire.Exit{}, nil
	case *wire.Detach, *wire.DetachKill:
		return &wire.Exit{}, nil
	case *wire.WriteOpen:
		return nil, r.openWrite(ctx, m)
	case *wire.Write:
		return nil, r.write(ctx, m)
	case *wire.WriteClose:
		s, ok := r.streams[m.Stream]
		if ok && s.fd == 0 {
			return nil, r.client.Send(ctx, &wire.WriteClose{Stream: s.client})
		}
		return nil, nil
	case *wire.ReadOpen:
		return nil, r.openRead(ctx, m)
	case *wire.ReadCancel:
		if s, ok := r.streams[m.Stream]; ok {
			return nil, r.client.Send(ctx, &wire.ReadCancel{Stream: s.client})
		}
		return nil, nil
	case *wire.Exec, *wire.Lock, *wire.Shell, *wire.Suspend:
		return nil, fmt.Errorf("the tmux server asked the client to %s, which %s did not ask for: refused",
			m.Type(), r.plan.Invocation.Row.Name)
	}
	return nil, nil // ready, flags and the like mean nothing to a command
}

// openWrite lets the server write to the standard streams, and to no file:
// no command that muxward offers writes one.
func (r *relay) openWrite(ctx context.Context, m *wire.WriteOpen) error {
	if m.FD != 1 && m.FD != 2 {
		return r.server.WriteMsg(ctx, &wire.WriteReady{Stream: m.Stream, Error: int32(unix.EPERM)})
	}
	r.streams[m.Stream] = stream{fd: int(m.FD)}
	return r.server.WriteMsg(ctx, &wire.WriteReady{Stream: m.Stream})
}

func (r *relay) write(ctx context.Context, m *wire.Write) error {
	s, ok := r.streams[m.Stream]
	if !ok || s.fd == 0 {
		return nil // it was refused above
	}
	return r.client.Print(ctx, s.fd, m.Data)
}

// openRead lets the server have the one file that this command named, read
// by the person's own client with the person's own rights.
func (r *relay) openRead(ctx context.Context, m *wire.ReadOpen) error {
	if !r.asked(m) {
		return r.server.WriteMsg(ctx, &wire.ReadDone{Stream: m.Stream, Error: int32(unix.EPERM)})
	}
	r.waiting = true
	id := r.client.Stream()
	r.streams[m.Stream] = stream{client: id}
	if err := r.client.Send(ctx, &wire.ReadOpen{Stream: id, FD: m.FD, Path: m.Path}); err != nil {
		return err
	}
	r.answered = make(chan struct{})
	go func() {
		defer close(r.answered)
		if err := attach.Guard(func() error { r.answers(ctx, id, m.Stream); return nil }); err != nil {
			r.fault.Store(&err)
			_ = r.server.Close() // which ends the command
		}
	}()
	return nil
}

// answers passes what the client reads on to the server.
func (r *relay) answers(ctx context.Context, from, to int32) {
	failpoint.At("relay-answers")
	for {
		select {
		case m, open := <-r.client.Files():
			if !open {
				_ = r.server.Close()
				return
			}
			switch m := m.(type) {
			case *wire.Read:
				if m.Stream == from && r.server.ReadStream(ctx, to, m.Data) != nil {
					return
				}
			case *wire.ReadDone:
				if m.Stream == from {
					_ = r.server.WriteMsg(ctx, &wire.ReadDone{Stream: to, Error: m.Error})
					return
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// named reports whether the command itself named the file.
func (r *relay) named(m *wire.ReadOpen) bool {
	inv := r.plan.Invocation
	switch inv.Row.Name {
	case "split-window", "display-message":
		return inv.Has('I') && m.FD == 0
	case "load-buffer":
	default:
		return false
	}
	path := inv.Args[0]
	if path == "-" {
		return m.FD == 0
	}
	if m.FD != -1 {
		return false
	}
	if r.plan.Home && strings.Contains(path, "#") {
		return true // the owner's own format, evaluated by the owner's tmux
	}
	path = strings.ReplaceAll(path, "##", "#")
	return m.Path == path || m.Path == r.client.Hello().Cwd+"/"+path
}

// bye ends the connection as tmux clients do, so that the server forgets us
// in order.
func (r *relay) bye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exitTime)
	defer cancel()
	if r.server.WriteMsg(ctx, &wire.Exiting{}) != nil {
		return
	}
	for {
		m, err := r.server.ReadMsg(ctx)
		if err != nil {
			return
		}
		if _, ok := m.(*wire.Exited); ok {
			return
		}
	}
}

// hello is what we tell the server about the client. An owner's command at home
// comes with the owner's environment and directory, as tmux has it; of
// everybody else the server hears nothing, whatever they hold.
func hello(p *gateway.Permit, argv []string) *wire.Hello {
	h := &wire.Hello{
		Flags: wire.FlagUTF8 | wire.FlagNoStartServer, Cwd: "/", Argv: argv,
		PID: int32(p.Request().Identity.PID()),
	}
	if p.Request().Client == nil || !p.Plan().Home {
		return h
	}
	own := p.Request().Client.Hello()
	h.Flags = own.Flags&wire.ClientSettable&^wire.FlagStartServer | wire.FlagNoStartServer
	h.Term, h.Features, h.Terminfo = own.Term, own.Features, own.Terminfo
	h.TTYName, h.Cwd, h.Env = own.TTYName, own.Cwd, own.Env
	return h
}
