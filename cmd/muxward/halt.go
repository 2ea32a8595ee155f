package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/teeth"
)

// This file is about tmux servers that a lockdown has stopped: what was sent to one that does not
// answer cannot be taken back, and is not done before the lockdown is lifted.

// Of lockTime so much is left, when those were decided anew who hold something there, for the
// servers to confirm that nothing is under way, and so much of that for stopping one.
const (
	stillTime = 800 * time.Millisecond
	haltTime  = 400 * time.Millisecond
)

// stops reports whether a denial is one that stops servers: a lockdown of a whole one, or of the
// host. Whoever locks down a session or a pane stops nobody else's, and lets nobody's go on.
func stops(den grants.Denial) bool { return den.Lock && den.Scope.Kind <= access.Server }

// standStill ends what a lockdown takes, and stops the servers that do not confirm that all that
// was sent to them is done. The report says which.
func (d *daemon) standStill(ctx context.Context, den grants.Denial, why string) gateway.Report {
	first, cancel := until(ctx, stillTime)
	rep := d.gateway.ReconsiderOn(first, den.Scope, d.restingOnDenied(den), why)
	cancel()
	asked, cancel := until(ctx, haltTime)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range d.serversIn(den.Scope) {
		stopped, _ := s.Halted()
		if !stopped && !s.Used() {
			continue
		}
		wg.Go(func() {
			if !stopped && s.Confirm(asked) == nil {
				return
			}
			text := haltText(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			rep.Unconfirmed = append(rep.Unconfirmed, text)
		})
	}
	wg.Wait()
	return rep
}

// until gives a context that ends so much before another does.
func until(ctx context.Context, before time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-before))
	}
	return context.WithCancel(ctx)
}

// haltText stops a server, and says what came of it.
func haltText(ctx context.Context, s *guard.Server) string {
	which := fmt.Sprintf("%s's tmux server (process %d) does not confirm that nothing is under way; ", s.Owner(), s.PID())
	if teeth.Out(teeth.Halted) {
		return which + "it goes on"
	}
	h, err := s.Halt(ctx, true)
	switch {
	case err != nil:
		return which + "it could not be stopped, and may still do what it was sent: " + err.Error()
	case !h.Stopped && !h.Before: // who asked before us had it let go on
		return which + "it could not be stopped, and may still do what it was sent"
	case h.Before:
		return which + "somebody else had stopped it: it is left to them to let it go on" + panesText(h)
	case h.Unwritten != "":
		return which + "it is stopped until this is unlocked" + panesText(h) + ", but that is not written down (" + h.Unwritten + "): after a restart only kill -CONT lets it go on"
	}
	return which + "it is stopped until this is unlocked" + panesText(h)
}

// panesText says what has become of the programs in panes.
func panesText(h keep.Halted) (text string) {
	if h.Panes > 0 {
		text = fmt.Sprintf(", and so are the programs in %d of its panes", h.Panes)
	}
	if h.Free > 0 {
		text += fmt.Sprintf("; those in %d of its panes go on, as they have no cgroup that can be frozen", h.Free)
	}
	return text
}

// serversIn gives the servers that an object is on.
func (d *daemon) serversIn(o access.Object) []*guard.Server {
	if d.guard == nil { // there are none, as in tests of the rest
		return nil
	}
	if o.Kind == access.Host {
		return d.guard.Servers()
	}
	if s, ok := d.guard.Lookup(o.Owner); ok {
		return []*guard.Server{s}
	}
	return nil
}

// goOnTime is how long a server that was stopped has to do what lies before it.
const goOnTime = 3 * time.Second

// goOn has those servers go on that these lockdowns have stopped, and no other holds, and waits
// until each has done what was sent to it before. While one does not come to that, nothing is lifted.
func (d *daemon) goOn(ctx context.Context, these []grants.Denial) error {
	ctx, cancel := context.WithTimeout(ctx, goOnTime)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all error
	seen := map[*guard.Server]bool{}
	for _, den := range these {
		for _, s := range d.serversIn(den.Scope) {
			on := access.Object{Kind: access.Server, Owner: s.Owner()}
			stopped, frozen := s.Halted()
			if !stops(den) || seen[s] || !stopped && !frozen || d.denials.LockedBut(on, these) {
				continue
			}
			seen[s] = true
			wg.Go(func() {
				err := d.letGoOn(ctx, s, stopped)
				if err == nil && d.denials.LockedBut(on, these) { // since we looked
					_, err = s.Halt(ctx, true)
				}
				mu.Lock()
				defer mu.Unlock()
				all = errors.Join(all, err)
			})
		}
	}
	wg.Wait()
	return all
}

// goOnLate has those go on that nothing holds any more: of two who lift the last two lockdowns at
// the same time, each has seen the other's.
func (d *daemon) goOnLate(ctx context.Context, these []grants.Denial) (all error) {
	for _, den := range these {
		for _, s := range d.serversIn(den.Scope) {
			stopped, frozen := s.Halted()
			if !stops(den) || !stopped && !frozen || d.denials.LockedBut(access.Object{Kind: access.Server, Owner: s.Owner()}, nil) {
				continue
			}
			if _, err := s.Halt(ctx, false); err != nil {
				all = errors.Join(all, fmt.Errorf("unlocked, but %s's tmux server (process %d) is stopped: %w", s.Owner(), s.PID(), err))
			}
		}
	}
	return all
}

// letGoOn has one server go on. If it was stopped by us it is, unless it confirms, once more.
func (d *daemon) letGoOn(ctx context.Context, s *guard.Server, stopped bool) error {
	_, err := s.Halt(ctx, false)
	if err != nil {
		err = fmt.Errorf("nothing is unlocked: %s's tmux server (process %d) is stopped: %w", s.Owner(), s.PID(), err)
	} else if stopped {
		if err = s.Confirm(ctx); err != nil {
			err = fmt.Errorf("nothing is unlocked: %w; it is stopped again; try it again, or end that process", err)
		}
	}
	if err == nil {
		d.wg.Go(func() {
			d.event(access.EventServer, "the tmux server of "+s.Owner()+", which a lockdown had stopped, goes on")
		})
		return nil
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), haltTime)
	defer cancel()
	if _, again := s.Halt(late, true); again != nil {
		err = errors.Join(err, again)
	}
	return err
}

// holdHalted sees to it that a server that is stopped is locked down: the lockdown may not have
// come to the disk before muxward ended. It is the host's keeper's then to unlock it.
func (d *daemon) holdHalted(s *guard.Server) {
	stopped, frozen := s.Halted()
	on := access.Object{Kind: access.Server, Owner: s.Owner()}
	if !stopped && !frozen || d.denials.LockedBut(on, nil) {
		return
	}
	den := grants.Denial{Lock: true, Scope: on, Target: s.Owner(), By: "muxward", At: failpoint.Now(),
		Reason: "a lockdown has stopped its tmux server, and was not kept"}
	if d.config.Root() {
		den.Above = 1
	}
	keep := d.denials.Deny(den)
	d.wg.Go(func() {
		if err := keep(); err != nil {
			d.complain(fmt.Sprintf("the tmux server of %s is locked down as it is stopped: %v", s.Owner(), err))
		}
	})
}

// haltedFor lists whose servers stand still under a lockdown, as far as somebody may know of them.
func (d *daemon) haltedFor(who identity.Identity, den grants.Denial) (owners []string) {
	if !stops(den) {
		return nil
	}
	for _, s := range d.serversIn(den.Scope) {
		stopped, frozen := s.Halted()
		if (stopped || frozen) && d.concernedBy(who.Subject(), access.Object{Kind: access.Server, Owner: s.Owner()}) {
			owners = append(owners, s.Owner())
		}
	}
	return owners
}
