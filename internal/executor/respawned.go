package executor

import (
	"context"
	"sync"

	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// respawned has guests in control mode not hear the panes of a window while a command puts another program
// into one: what a tmux server owes such a client of the old program is dropped before, as no version tried
// (3.2a to 3.7c) minds it. They hear %continue behind it. It gives what is to be done then.
func (e *Executor) respawned(ctx context.Context, plan *gateway.Plan) (then func()) {
	if plan.Server == nil || plan.Invocation == nil || plan.Invocation.Row == nil || plan.Found.Window == nil {
		return func() {}
	}
	if name := plan.Invocation.Row.Name; name != "respawn-pane" && name != "respawn-window" {
		return func() {}
	}
	var guests sync.WaitGroup
	e.mu.Lock()
	for s := range e.hear {
		if !s.full && s.server.Owner() == plan.Server.Owner() && s.server.Incarnation() == plan.Server.Incarnation() {
			guests.Go(func() { s.protected(func() { s.hush(ctx, plan.Snapshot, plan.Found.Window.ID) }) })
		}
	}
	e.mu.Unlock()
	guests.Wait() // hush ends by itself
	return func() { e.lookAfter(plan.Server) }
}

// hush has tmux keep nothing for the guest of what the panes of a window have drawn, until the next look.
func (s *controlSeat) hush(ctx context.Context, snap *tmux.Snapshot, in tmux.WindowID) {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	if ctxlock.Lock(ctx, &s.amu) != nil {
		return
	}
	defer s.amu.Unlock()
	name, ok := tmux.SpellCommand("refresh-client", snap.Reading())
	if !ok {
		return
	}
	words := []string{name, "-t", s.name}
	for p, w := range s.lies {
		if w == in {
			words = append(words, "-A", p.String()+":pause")
		}
	}
	if len(words) == 3 {
		return
	}
	if _, err := ask(ctx, s.server, nil, words); err != nil {
		return
	}
	for p, w := range s.lies {
		if w != in {
			continue
		}
		if s.gone == nil {
			s.gone = map[tmux.PaneID]*absence{}
		}
		s.gone[p] = &absence{paused: true}
	}
}
