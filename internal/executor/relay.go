package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// exitTime is how long a server may take to say goodbye.
const exitTime = 2 * time.Second

// answerTime is how long a server may take over a command.
const answerTime = 5 * time.Second

// errServerGone is what a person hears when the tmux server died under their
// command.
var errServerGone error = serverGone{}

// serverGone is an end of the display like any other. Whether the socket or the terminal of a
// server that dies is seen first is chance, and the client says it by itself in either case.
type serverGone struct{}

func (serverGone) Error() string        { return "server exited unexpectedly" }
func (serverGone) Is(target error) bool { return target == attach.ErrDisplayGone }

// relay stands between a person's tmux client and a real tmux server. A tmux
// client does what its server says, so the relay passes on no more than what
// this request itself named: its own files, its standard streams, its end.
type relay struct {
	server *wire.Conn
	client gateway.Client
	plan   *gateway.Plan
	maker  *maker // of a command that makes a pane

	streams map[int32]stream // by the server's numbers
	waiting bool             // the server waits for the client, or by nature
	opened  bool             // a file was asked for
	half    bool             // what was printed ends in the middle of a character
	// streams alone are what the client has to offer: see identity.Identity.OnlyStreams.
	onlyStreams bool
	fault       atomic.Pointer[error]
	// prints, if it is set, is called when the server begins to print: it has come to the command by then, and
	// whoever reads what it prints may take their time.
	prints func()

	mu    sync.Mutex
	files map[int32]int32 // the server's numbers by those at the client
	// answered is closed when no answers are passed on any more; nil before
	// any were asked for.
	answered chan struct{}
}

type stream struct {
	fd     int   // 1 or 2 for the standard streams, else 0
	client int32 // the number at the client
	ready  bool  // the server has been told to print there
}

// run passes messages until the server says how it ended.
func (r *relay) run(ctx context.Context) (wire.Exit, error) {
	r.streams, r.files = map[int32]stream{}, map[int32]int32{}
	r.waiting = patient(r.plan.Invocation)
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

// patient reports whether a command waits by its nature: for a program, for
// another command, or for somebody's answer. It then holds nothing but its own
// connection, and ends with its person or their right to it.
func patient(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "run-shell":
		return !inv.Has('b')
	case "wait-for":
		return !inv.Has('S') && !inv.Has('U')
	case "if-shell", "source-file", "set-hook", "confirm-before", "command-prompt",
		"display-menu", "display-popup", "display-panes":
		return true
	}
	return false
}

// goesOn reports whether tmux goes on behind a command that runs something, whatever
// became of that.
func (r *relay) goesOn() bool {
	inv := r.plan.Invocation
	switch inv.Row.Name {
	case "run-shell":
		delay, given := inv.Get('d')
		_, err := strconv.ParseFloat(delay, 64)
		return !given || err == nil
	case "if-shell":
		if !inv.Has('F') {
			return true
		}
		for _, n := range inv.Nested() { // else what is chosen is read at once
			var bad *tmux.TextError
			if _, err := n.Commands(r.plan.Snapshot.Reading()); errors.As(err, &bad) && bad.Reason != tmux.NotExpanded {
				return false
			}
		}
		return true
	case "source-file":
		return r.opened
	}
	return false
}

// next waits for the server's next message. Only a command that waits for a
// person, or by its nature, may take its time.
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

func (r *relay) write(ctx context.Context, m *wire.Write) error {
	s, ok := r.streams[m.Stream]
	switch {
	case !ok:
		return nil // it was refused above
	case s.fd == 0:
		return r.client.Send(ctx, &wire.Write{Stream: s.client, Data: m.Data})
	}
	data := m.Data
	if s.fd == 1 && r.maker != nil {
		if data = r.maker.cut(data); len(data) == 0 {
			return nil
		}
	}
	if r.plan.Invocation.Row.Name == "capture-pane" && !r.plan.Full {
		data = r.drawn(data)
	}
	return r.client.Print(ctx, s.fd, data)
}

// drawn takes the control characters above 0x7f out of what a pane has drawn: a
// guest's terminal gets text.
func (r *relay) drawn(data []byte) []byte {
	const lead = 0xc2 // of U+0080 to U+00bf
	out := make([]byte, 0, len(data)+1)
	for _, b := range data {
		switch {
		case r.half && b >= 0x80 && b < 0xa0:
			out = append(out, '?')
		case r.half && b != lead:
			out = append(out, lead, b)
		case r.half:
			out = append(out, lead)
		case b != lead:
			out = append(out, b)
		}
		r.half = b == lead
	}
	return out
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
	h.Flags &^= wire.FlagControl | wire.FlagControlControl // the lines are ours
	h.Term, h.Features, h.Terminfo = own.Term, own.Features, own.Terminfo
	h.TTYName, h.Cwd, h.Env = own.TTYName, own.Cwd, own.Env
	return h
}
