package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
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
// slowTime is how long all of a host are waited for together.
const (
	stillTime = 800 * time.Millisecond
	haltTime  = 400 * time.Millisecond
	slowTime  = 300 * time.Millisecond
)

// stops reports whether a denial is one that stops servers: a lockdown of a whole one, or of the
// host. Whoever locks down a session or a pane stops nobody else's, and lets nobody's go on.
func stops(den grants.Denial) bool { return den.Lock && den.Scope.Kind <= access.Server }

// standStill ends what a lockdown takes, and stops the servers that do not confirm that all that
// was sent to them is done. The report says which.
func (d *daemon) standStill(ctx context.Context, den grants.Denial, why string) gateway.Report {
	first, cancel := until(ctx, stillTime)
	defer cancel()
	ended := make(chan gateway.Report, 1)
	go func() { ended <- d.gateway.ReconsiderOn(first, den.Scope, d.restingOnDenied(den), why) }()
	var wg sync.WaitGroup
	var said unconfirmed
	asked := map[*guard.Server]bool{}
	ask := func(alone bool) {
		for _, s := range d.serversIn(den.Scope) {
			stopped, _ := s.Halted()
			if asked[s] || !stopped && !s.Used() {
				continue
			}
			asked[s] = true
			wg.Go(func() {
				if alone { // what others wait for still is another server's, and told there
					d.gateway.ReconsiderOn(first, wholeServer(s), d.restingOnDenied(den), why)
				}
				said.add(d.stillness(ctx, s, stopped))
			})
		}
	}
	var rep gateway.Report
	select {
	case rep = <-ended:
	case <-time.After(slowTime):
		if den.Scope.Kind == access.Host { // one that hangs takes none of the others' time
			ask(true)
		}
		rep = <-ended
	}
	ask(false)
	wg.Wait()
	rep.Unconfirmed = append(rep.Unconfirmed, said.list...)
	return rep
}

// unconfirmed is what could not be confirmed, of several.
type unconfirmed struct {
	mu   sync.Mutex
	list []string
}

func (u *unconfirmed) add(text string) {
	if text == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, text)
}

// stillness waits until nothing is under way on a server, or stops it, and says so then.
func (d *daemon) stillness(ctx context.Context, s *guard.Server, stopped bool) string {
	asked, cancel := until(ctx, haltTime)
	defer cancel()
	if !stopped && s.Still(asked) == nil {
		return ""
	}
	return haltText(ctx, s)
}

func wholeServer(s *guard.Server) access.Object {
	return access.Object{Kind: access.Server, Owner: s.Owner()}
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
// until each has done what was sent to it before. While one does not come to that, it is not
// unlocked: of the whole host the others are, and the error of lift says which is not.
func (d *daemon) goOn(ctx context.Context, these []grants.Denial) (stay []*guard.Server, all error) {
	ctx, cancel := context.WithTimeout(ctx, goOnTime)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[*guard.Server]bool{}
	for _, den := range these {
		for _, s := range d.serversIn(den.Scope) {
			on := wholeServer(s)
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
				if err == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				stay, all = append(stay, s), errors.Join(all, err)
			})
		}
	}
	wg.Wait()
	if all == nil || slices.ContainsFunc(these, func(den grants.Denial) bool { return den.Scope.Kind > access.Host }) {
		return stay, all
	}
	// One that nobody can have go on keeps nobody else locked out.
	for _, s := range stay {
		den := d.stoppedStill(wholeServer(s), "it did not go on when the host was unlocked")
		den.Above = 1 // who may unlock the host
		if err := d.denials.Add(den); err != nil {
			return stay, errors.Join(all, err)
		}
	}
	return stay, nil
}

// errStay says which servers were not unlocked with the host.
func errStay(stay []*guard.Server) error {
	var all []error
	for _, s := range stay {
		all = append(all, fmt.Errorf("all else is unlocked, but %s's tmux server (process %d) does not confirm that it has done what it was sent: "+
			"it is stopped, and locked down still; when it does, or that process has ended, unlock it with: muxward unlock -t %s", s.Owner(), s.PID(), s.Owner()))
	}
	return errors.Join(all...)
}

// goOnLate has those go on that nothing holds any more: of two who lift the last two lockdowns at
// the same time, each has seen the other's.
func (d *daemon) goOnLate(ctx context.Context, these []grants.Denial) (all error) {
	for _, den := range these {
		for _, s := range d.serversIn(den.Scope) {
			stopped, frozen := s.Halted()
			if !stops(den) || !stopped && !frozen || d.denials.LockedBut(wholeServer(s), nil) {
				continue
			}
			if _, err := s.Halt(ctx, false); err != nil && !errors.Is(err, keep.ErrEnded) {
				all = errors.Join(all, fmt.Errorf("unlocked, but %s's tmux server (process %d) is stopped: %w", s.Owner(), s.PID(), err))
			}
		}
	}
	return all
}

// letGoOn has one server go on. If it was stopped by us it is, unless it confirms, once more.
func (d *daemon) letGoOn(ctx context.Context, s *guard.Server, stopped bool) error {
	_, err := s.Halt(ctx, false)
	if errors.Is(err, keep.ErrEnded) { // there is nothing left to go on
		return nil
	}
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
	den, locked := d.heldStill(wholeServer(s), stopped || frozen)
	if !locked {
		return
	}
	keep := d.denials.Deny(den)
	d.wg.Go(func() {
		if err := keep(); err != nil {
			d.complain(fmt.Sprintf("the tmux server of %s is locked down as it is stopped: %v", s.Owner(), err))
		}
	})
}

// heldStill gives the lockdown of a server that was found, if it is to have one for being halted.
func (d *daemon) heldStill(on access.Object, halted bool) (den grants.Denial, locked bool) {
	above, lifted := d.unfound.take(on.Owner) // whatever comes of it: it was found
	if !halted || d.denials.LockedBut(on, nil) {
		return den, false
	}
	den = d.stoppedStill(on, "a lockdown has stopped its tmux server, and was not kept")
	if lifted {
		den.Above, den.Reason = above, "it was unlocked while muxward had not found its tmux server again, which a lockdown had stopped: unlock it once more"
	} else if d.config.Root() {
		den.Above = 1
	}
	return den, true
}

// stoppedStill is a lockdown of a server that stands still.
func (d *daemon) stoppedStill(on access.Object, why string) grants.Denial {
	return grants.Denial{Lock: true, Scope: on, Target: on.Owner, By: "muxward", At: d.gateway.Time(), Reason: why}
}

// haltedFor lists whose servers stand still under a lockdown, as far as somebody may know of them.
func (d *daemon) haltedFor(who identity.Identity, den grants.Denial) (owners []string) {
	if !stops(den) {
		return nil
	}
	for _, s := range d.serversIn(den.Scope) {
		stopped, frozen := s.Halted()
		if (stopped || frozen) && d.concernedBy(who.Subject(), wholeServer(s)) {
			owners = append(owners, s.Owner())
		}
	}
	return owners
}

// unfound remembers whose lockdowns were lifted while their servers, which these may have stopped, had
// not been found again after a start, and who could lift them: who can then.
type unfound struct {
	kept []grants.Denial // those that there were at the start: none that came later has stopped such a server
	mu   sync.Mutex
	of   map[string]int // Above of the denial, by owner
}

// openDenials opens what was revoked and locked down, and remembers what there is of it as muxward begins.
func (d *daemon) openDenials() (err error) {
	if d.denials, err = grants.OpenDenials(filepath.Join(d.config.State, "revocations.json")); err == nil {
		d.unfound.kept = d.denials.List()
	}
	return err
}

// note has those remembered whose servers are not known.
func (u *unfound) note(these []grants.Denial, known func(owner string) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, den := range these {
		was := func(k grants.Denial) bool {
			return k.Lock && k.Scope.Key() == den.Scope.Key() && k.At.Equal(den.At) && k.By == den.By && k.Above == den.Above
		}
		if !stops(den) || den.Scope.Kind != access.Server || !slices.ContainsFunc(u.kept, was) || known(den.Scope.Owner) {
			continue
		}
		if u.of == nil {
			u.of = map[string]int{}
		}
		u.of[den.Scope.Owner] = max(den.Above, u.of[den.Scope.Owner])
	}
}

// take gives whom it is to go by for a server that was found after all.
func (u *unfound) take(owner string) (above int, lifted bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	above, lifted = u.of[owner]
	delete(u.of, owner)
	return above, lifted
}

// found reports whether a server of somebody's would be known by now, if there is one.
func (d *daemon) found(owner string) bool {
	if d.guard == nil || d.guard.AllKnown() {
		return true
	}
	_, ok := d.guard.Lookup(owner)
	return ok
}
