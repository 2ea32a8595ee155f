package executor

import (
	"context"
	"fmt"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// stops carries out suspend-client where the client is one in control mode. tmux is told of none: it would go on to owe
// that client what is drawn. Who is at a place of their own is drawn for by us, and is stopped by us; a program that
// speaks control mode is not, and they hear so. It reports whether it was such a client.
func (e *Executor) stops(plan *gateway.Plan) (is bool, err error) {
	if plan.Server == nil || plan.Invocation == nil || plan.Invocation.Row == nil || plan.Invocation.Row.Name != "suspend-client" {
		return false, nil
	}
	name, _ := plan.Invocation.Get('t')
	own, hears := e.inControl(plan.Server, name)
	if own != nil {
		e.beside.Go(func() { own.protected(own.suspend) })
		return true, nil
	}
	if c := plan.Snapshot.Client(name); hears || c != nil && has(c.Flags, "control-mode") {
		return true, fmt.Errorf("suspend-client: %s is in control mode, and is not stopped; detach-client ends it", name)
	}
	return false, nil
}

// inControl finds who is at a server by a client in control mode of that name: own is somebody at a place of their own.
func (e *Executor) inControl(server gateway.Server, name string) (own *seat, hears bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.seats {
		if s.own != nil && s.tty == name && life(s.server) == life(server) {
			return s, true
		}
	}
	for s := range e.hear {
		hears = hears || s.name == name && life(s.server) == life(server)
	}
	return nil, hears
}

// suspend stops the person's client, as C-z in tmux does.
func (s *seat) suspend() {
	ctx, cancel := context.WithTimeout(s.ctx, attachTime)
	defer cancel()
	given, err := s.att.Suspend(ctx)
	if err != nil {
		s.leave(err)
	}
	if !given { // it is stopped already, and is not to be stopped again when it goes on
		return
	}
	if s.live.Who().OnlyStreams() { // there is no shell to go to, and nobody to go on
		s.looksOnBeside(false)
		s.wake()
		return
	}
	_ = s.client.Send(ctx, &wire.Suspend{})
	s.looksOnBeside(false)
}

// wake goes on after the client was stopped.
func (s *seat) wake() {
	if err := s.att.Resume(s.ctx); err != nil {
		s.leave(err)
		return
	}
	if s.own == nil { // a place of their own has a client in control mode, which tmux never stops
		_ = s.conn.WriteMsg(s.ctx, &wire.Wakeup{})
	}
	s.looksOnBeside(true)
}
