package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
)

// startTime is how long a server may take until it listens. The hands give up before.
const startTime = 12 * time.Second

// Client is the client of a server's own account that the server is started
// for. Where it is, the sessions begin that the configuration makes; of its
// environment the server has what is listed.
type Client struct {
	Dir     string
	Environ []string
}

// Start gives the server of a person, and starts it as the account if it does
// not run. It returns when the server has read its configuration. However many
// ask at once, one server is started; an asker whose ctx ends goes without
// ending the start.
//
// first is the owner's own client that the server is started for, if it is
// started now.
//
// A server without sessions waits some seconds for the first one; whoever
// needs it longer holds it ([Server.Hold]).
func (g *Guard) Start(ctx context.Context, owner string, a identity.Account, first Client) (*Server, error) {
	return g.startOne(ctx, keep.Order{Owner: owner, Account: keep.Account{Name: a.Name, UID: a.UID}, Environ: keep.Taken(first.Environ)}, first)
}

// StartIsolated is Start for an isolated server: it is that, or there is none.
func (g *Guard) StartIsolated(ctx context.Context, name string, a identity.Account) (*Server, error) {
	return g.startOne(ctx, keep.Order{Owner: name, Account: keep.Account{Name: a.Name, UID: a.UID}, Isolated: true}, Client{})
}

func (g *Guard) startOne(ctx context.Context, o keep.Order, first Client) (*Server, error) {
	owner := o.Owner
	for {
		s, call, err := g.running(o, first)
		if err != nil {
			return nil, err
		}
		if s != nil {
			err := s.wait(ctx)
			if err != nil && s.Cause() == nil {
				return nil, err
			}
			if err == nil && s.stay() == nil {
				return s, nil
			}
			// It is on its way out: the next one comes after it.
			select {
			case <-s.done:
			case <-ctx.Done():
				return nil, fmt.Errorf("the tmux server of %s neither answers nor ends: %w", owner, ctx.Err())
			case <-time.After(connectTime):
				return nil, fmt.Errorf("the tmux server of %s neither answers nor ends; look at process %d", owner, s.PID())
			}
			continue
		}
		select {
		case <-call.done:
			if call.err != nil {
				return nil, call.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("start the tmux server of %s: %w", owner, ctx.Err())
		}
	}
}

// running gives the server that runs, or the start that is under way, which it
// begins if there is none.
func (g *Guard) running(o keep.Order, first Client) (*Server, *startCall, error) {
	owner := o.Owner
	if _, err := identity.CanonicalName(owner); err != nil {
		return nil, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, nil, errors.New("muxward is stopping")
	}
	if s := g.byOwner[owner]; s != nil {
		if s.UID() != o.Account.UID {
			return nil, nil, fmt.Errorf("the tmux server of %s runs as uid %d, not %d; end it first", owner, s.UID(), o.Account.UID)
		}
		if o.Isolated && !s.Isolated() {
			return nil, nil, fmt.Errorf("the tmux server of %s is a person's, whose panes would run as tmux does; end it first", owner)
		}
		return s, nil, nil
	}
	if call := g.starting[owner]; call != nil {
		return nil, call, nil
	}
	call := &startCall{done: make(chan struct{})}
	g.starting[owner] = call
	g.wg.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, startTime)
		defer cancel()
		err := g.start(ctx, o, first)
		g.mu.Lock()
		delete(g.starting, owner)
		call.err = err
		g.mu.Unlock()
		close(call.done)
	})
	return nil, call, nil
}

// start has a server started, makes it known, and opens its inner door.
func (g *Guard) start(ctx context.Context, o keep.Order, first Client) error {
	kept, err := g.hands.Start(ctx, o)
	if err != nil {
		return err
	}
	s := newServer(g, kept)
	s.first = first
	if err := s.open(ctx); err != nil {
		s.finish(err)
		if s.inner == nil {
			err = errors.Join(err, g.abandon(kept.ID))
		}
		return fmt.Errorf("start the tmux server of %s: %w", o.Owner, err)
	}
	return nil
}

// abandonTime is how long it may take to end a server that was just started.
const abandonTime = 5 * time.Second

// abandon ends a server that was started in vain. Its door may be open without our having
// heard of it, or be opened just now.
func (g *Guard) abandon(id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), abandonTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := g.hands.CloseDoor(ctx, keep.Place{Server: id})
		if err == nil {
			err = g.hands.Abandon(ctx, id)
		}
		switch {
		case err == nil, errors.Is(err, keep.ErrEnded):
			return nil
		case !errors.Is(err, keep.ErrRefused):
			return fmt.Errorf("end it again: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("end it again: %w", err)
		}
	}
}
