package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/reach"
)

// Limits of what is reached besides tmux.
const (
	// maxForwards is how many connections and listeners one connection has at once,
	// maxPersons how many one person has, and maxListens how many of one are listeners.
	maxForwards = 64
	maxPersons  = 128
	maxListens  = 16
	// startTime is how long it may take to start what reaches, lookUpTime to find what was
	// asked for, and reachTime to reach it.
	startTime  = 5 * time.Second
	lookUpTime = 12 * time.Second
	reachTime  = 15 * time.Second
)

// Reaching is what the door needs to reach for people besides tmux.
type Reaching struct {
	// Start starts a process of a person's own account. An error says why there is none,
	// as where they have no account here.
	Start func(ctx context.Context, person string) (*reach.Line, error)
	// May reports whether there is anything of a verb that a person may reach for.
	May func(person string, v access.Verb) bool
	// Subsystems are programs by the names of subsystems.
	Subsystems map[string][]string
}

// wanted is something that somebody asks for besides tmux.
type wanted struct {
	what string // in the words of the protocol
	verb access.Verb
	ask  reach.Ask
	name string // of a subsystem
}

// args are what is asked for, for the log.
func (w wanted) args() []string {
	switch {
	case w.name != "":
		return []string{w.what + " " + w.name}
	case w.ask.Path != "":
		return []string{w.what, w.ask.Path}
	case w.verb == access.Agent:
		return []string{w.what}
	case w.verb == access.Listen:
		return []string{w.what, netip.AddrPortFrom(w.ask.Addr, w.ask.Port).String()}
	}
	return []string{w.what, net.JoinHostPort(w.ask.Host, strconv.Itoa(int(w.ask.Port)))}
}

// plain is what is asked for before anything is looked up.
func (w wanted) plain() *access.Reach {
	name := w.ask.Host
	if w.name != "" {
		name = w.name
	}
	return &access.Reach{Name: name, Addr: w.ask.Addr, Port: w.ask.Port, Path: w.ask.Path}
}

// using is what is done with what was reached, for as long as that lasts or ctx does.
type using func(ctx context.Context, line *reach.Line, r *reach.Reached) (gateway.Result, error)

// reach has something reached for: it is asked for in the line like anything else, as an
// act that lasts for as long as it is used. It returns when all of it has ended.
func (c *conn) reach(ctx context.Context, w wanted, use using) (gateway.Result, error) {
	var line *reach.Line
	var addrs []netip.Addr
	defer func() {
		if line != nil {
			_ = line.End() // it was refused, or has ended
		}
	}()
	act := &gateway.Act{Name: "ssh", Args: w.args(), Verb: w.verb}
	act.Reaches = func(ctx context.Context) (on []access.Object, err error) {
		if !c.s.mayReach(c.who.Person(), w.verb) {
			return []access.Object{{Reach: w.plain()}}, nil // it is decided, and nothing looked up
		}
		if err := c.mayForward(w.verb); err != nil {
			return nil, err
		}
		starting, cancel := context.WithTimeout(ctx, startTime)
		defer cancel()
		if line, err = c.s.Reaching.Start(starting, c.who.Person()); err != nil {
			return nil, err
		}
		on, addrs, err = w.look(ctx, line)
		return on, err
	}
	act.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		if line == nil {
			return gateway.Result{}, errors.New("nothing was started") // nothing permits what was not looked up
		}
		going, cancel := context.WithTimeout(ctx, reachTime)
		r, err := line.Go(going, w.ask, addrs)
		cancel()
		if err != nil {
			return gateway.Result{}, errors.Join(err, ends(line)) // it may be doing it
		}
		defer r.Close()
		result, err := use(lasting(ctx), line, r)
		r.Close() // before the process ends, which is waited for
		return result, errors.Join(err, ends(line))
	}
	return c.s.Gateway.Handle(ctx, gateway.Request{Identity: c.who, Door: Door, Act: act})
}

// ends ends what reaches. If that may go on all the same, the gateway is to tell.
func ends(line *reach.Line) error {
	err := line.End()
	if errors.Is(err, reach.ErrUnsure) {
		err = fmt.Errorf("%w: %w", gateway.ErrUnsure, err)
	}
	return err
}

// mayReach reports whether anything may be reached at all.
func (s *Server) mayReach(person string, v access.Verb) bool {
	return s.Reaching.Start != nil && s.Reaching.May != nil && s.Reaching.May(person, v)
}

// mayForward refuses what the key that was proved is not for.
func (c *conn) mayForward(v access.Verb) error {
	p := c.proof.Load()
	switch {
	case v == access.Agent && !p.MayHaveAgent():
		return errors.New("the key may not be used to forward an agent (restrict, no-agent-forwarding, or a certificate without permit-agent-forwarding)")
	case (v == access.Forward || v == access.Listen) && !p.MayForward():
		return errors.New("the key may not be used to forward ports (restrict, no-port-forwarding, or a certificate without permit-port-forwarding)")
	}
	return nil
}

// look has something looked up, and gives what it is.
func (w wanted) look(ctx context.Context, line *reach.Line) (on []access.Object, addrs []netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	found, err := line.Look(ctx, w.ask)
	if err != nil {
		return nil, nil, err
	}
	if w.verb != access.Forward || w.ask.Path != "" {
		r := w.plain()
		if r.Path != "" {
			r.Path = leads(r.Path, found.Path)
		}
		return []access.Object{{Reach: r}}, nil, nil
	}
	for _, a := range found.Addrs {
		r := w.plain()
		r.Addr, r.Ours = a, ours(a)
		on = append(on, access.Object{Reach: r})
	}
	return on, found.Addrs, nil
}

// enterReach counts one more of what is reached, and leave one less.
func (c *conn) enterReach(ctx context.Context, listens bool) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended != nil || ctx.Err() != nil:
		return nil, errors.New("the connection ends")
	case crowded(c.reached, maxForwards) || listens && crowded(c.listens, maxListens):
		return nil, fmt.Errorf("a connection reaches for %d things at once, and listens at %d places", maxForwards, maxListens)
	}
	person, ok := c.s.enter(c.s.reached, c.who.Person(), maxPersons)
	if !ok {
		return nil, fmt.Errorf("a person reaches for %d things at once", maxPersons)
	}
	c.reached++
	if listens {
		c.listens++
	}
	c.empty.Stop()
	return func() {
		person()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reached--
		if listens {
			c.listens--
		}
		c.emptied()
	}, nil
}

// emptied has a connection end some time on which there is nothing any more. The lock is
// held.
func (c *conn) emptied() {
	if c.open == 0 && c.reached == 0 {
		c.empty.Reset(emptyTime)
	}
}
