package executor

import (
	"context"
	"slices"
	"sync"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// respawned has those who hear the panes of a window, and do not hold every verb, not hear them while a command puts
// another program into one: what a tmux server owes a client in control mode of the old program is dropped before, as
// no version tried (3.2a to 3.7c) minds it. They hear %continue behind it. It gives what is to be done then, once.
func (e *Executor) respawned(ctx context.Context, plan *gateway.Plan) (then func()) {
	if plan.Server == nil || plan.Invocation == nil || plan.Invocation.Row == nil || plan.Found.Window == nil {
		return func() {}
	}
	if name := plan.Invocation.Row.Name; name != "respawn-pane" && name != "respawn-window" {
		return func() {}
	}
	all, over := e.ears.respawn(ctx, plan.Server)
	heed := make([]func(), len(all))
	var deaf sync.WaitGroup
	for i, h := range all {
		deaf.Go(func() { heed[i] = h.deafen(ctx, plan.Snapshot, plan.Found.Window) })
	}
	deaf.Wait()
	return sync.OnceFunc(func() {
		over()
		for _, again := range heed {
			again()
		}
		e.lookAfter(plan.Server)
	})
}

// deafen is until the next look behind heed.
func (s *controlSeat) deafen(ctx context.Context, snap *tmux.Snapshot, w *tmux.Window) (heed func()) {
	heed = func() {}
	fault := attach.Guard(func() error {
		ctx, cancel := context.WithTimeout(ctx, keyTime)
		defer cancel()
		if ctxlock.Lock(ctx, &s.amu) != nil {
			return nil
		}
		defer s.amu.Unlock()
		panes := s.about(snap, w)
		name, ok := tmux.SpellCommand("refresh-client", snap.Reading())
		if !ok {
			return nil
		}
		heed = s.muffle(panes)
		err := hush(ctx, s.server, []string{name, "-t", s.name}, panes)
		if s.gone == nil {
			s.gone = map[tmux.PaneID]*absence{}
		}
		for _, p := range panes { // without an answer it may have been done all the same
			s.gone[p] = &absence{paused: err == nil}
		}
		return nil
	})
	if fault != nil {
		s.tell(fault)
	}
	return heed
}

// about are the panes of a window, with those that may be in it by now: that lay there when it was looked last, or that
// the state does not know. amu is held.
func (a *absences) about(snap *tmux.Snapshot, w *tmux.Window) []tmux.PaneID {
	panes := slices.Clone(w.Panes)
	add := func(p tmux.PaneID, in tmux.WindowID) {
		if (in == w.ID || snap.Pane(p) == nil) && !slices.Contains(panes, p) {
			panes = append(panes, p)
		}
	}
	for p, in := range a.lies {
		add(p, in)
	}
	for p := range a.gone {
		add(p, nowhere)
	}
	return panes
}

// hush has tmux keep nothing of what panes have drawn for a client, which the command begins with.
func hush(ctx context.Context, server Server, words []string, panes []tmux.PaneID) error {
	for _, p := range panes {
		words = append(words, "-A", p.String()+":pause")
	}
	_, err := ask(ctx, server, nil, words)
	return err
}

// deafen is until the next picture behind heed.
func (o *own) deafen(ctx context.Context, snap *tmux.Snapshot, w *tmux.Window) (heed func()) {
	heed = func() {}
	fault := attach.Guard(func() error {
		ctx, cancel := context.WithTimeout(ctx, keyTime)
		defer cancel()
		if ctxlock.Lock(ctx, &o.tells) != nil {
			return nil
		}
		defer o.tells.Unlock()
		name, ok := tmux.SpellCommand("refresh-client", snap.Reading())
		if !ok {
			return nil
		}
		let := o.muffle(w.Panes)
		heed = func() { let(); o.wake() }
		_ = hush(ctx, o.s.server, []string{name, "-t", o.s.tty}, w.Panes)
		o.unheard(w.Panes) // also without an answer
		return nil
	})
	if fault != nil {
		o.s.tell(fault)
	}
	return heed
}
