package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/reach"
)

// Limits of what is reached besides tmux.
const (
	// maxForwards is how many connections and listeners one connection has at once,
	// maxPersons how many one person has, maxEverybody how many there are, and maxListens how
	// many of one connection are listeners. What a client has sent and nobody takes is held by
	// the library, 2 MiB for each channel: so that is bounded, too.
	maxForwards  = 64
	maxPersons   = 96
	maxEverybody = 256
	maxListens   = 16
	// keptPlaces of those for everybody are for who has fewer than fewPlaces, so that a few
	// people, or who comes to what they listen at, leave room for others. maxComers is how
	// many are connected to one listener.
	keptPlaces = 64
	fewPlaces  = 8
	maxComers  = 32
	// startTime is how long it may take to start what reaches, lookUpTime to find what was
	// asked for, and reachTime to reach it.
	startTime  = 5 * time.Second
	lookUpTime = 12 * time.Second
	reachTime  = 15 * time.Second
	// shutTime is how long it may take to remove the path of a listener that was taken back.
	shutTime = 5 * time.Second
)

// Reaching is what the door needs to reach for people besides tmux.
type Reaching struct {
	// Start starts a process of a person's own account. An error says why there is none,
	// as where they have no account here.
	Start func(ctx context.Context, person string) (*reach.Line, error)
	// Whose says why nothing is done as a person's own account, where nothing is: it is asked
	// before it is decided, so that nothing is called permitted that cannot be.
	Whose func(ctx context.Context, person string) error
	// May reports whether there is anything of a verb that could permit a person what they
	// ask for, as it is asked for: where there is nothing, no name is looked up.
	May func(person string, v access.Verb, r *access.Reach) bool
	// Account names the account as which it is done by what the policy says now.
	Account func(person string) string
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
type using func(ctx context.Context, p *gateway.Permit, line *reach.Line, r *reach.Reached) (gateway.Result, error)

// reach has something reached for: it is asked for in the line like anything else, as an
// act that lasts for as long as it is used. It returns when all of it has ended.
func (c *conn) reach(ctx context.Context, w wanted, use using) (gateway.Result, error) {
	var line *reach.Line
	var addrs []netip.Addr
	var permit *gateway.Permit
	r := &c.s.Reaching
	defer func() {
		if line != nil {
			_ = line.End() // it was refused, or has ended
		}
	}()
	if err := c.s.turns.Wait(ctx, reachPace(), c.who.Person(), 1); err != nil {
		if errors.Is(err, pace.ErrTooMuch) {
			c.tooMuch(ctx, w.what, fmt.Errorf("too much is asked for in a short time: %w", err))
		}
		return gateway.Result{}, err
	}
	act := &gateway.Act{Name: "ssh", Args: w.args(), Verb: w.verb, Begins: func(p *gateway.Permit) { permit = p }}
	act.Reaches = func(ctx context.Context) (on []access.Object, err error) {
		if r.May != nil && r.May(c.who.Person(), w.verb, w.plain()) {
			if err := c.mayForward(w.verb); err != nil {
				return nil, err
			}
		}
		on, addrs, line, err = r.found(ctx, c.who.Person(), w)
		return on, err
	}
	act.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		if err := c.mayForward(w.verb); err != nil { // the policy may permit it only since it was asked above
			return gateway.Result{}, err
		}
		if line == nil { // what was decided could be told without looking
			if _, ok := w.told(); !ok {
				return gateway.Result{}, errors.New("what is permitted has changed meanwhile; ask again") // it was decided by its name
			}
			var err error
			if line, err = r.start(ctx, c.who.Person()); err != nil {
				return gateway.Result{}, err
			}
			if _, found, err := w.look(ctx, line); err != nil || !slices.Equal(found, addrs) {
				return gateway.Result{}, errors.Join(err, errors.New("what was found is not what was decided"), ends(line))
			}
		}
		going, cancel := context.WithTimeout(ctx, reachTime)
		r, err := line.Go(going, w.ask, addrs)
		cancel()
		if err != nil {
			return gateway.Result{}, errors.Join(err, ends(line)) // it may be doing it
		}
		defer r.Close()
		permit.Uses(isAt(r), w.by(r))
		result, err := use(lasting(ctx), permit, line, r)
		r.Close() // before the process ends, which is waited for
		return result, errors.Join(err, ends(line))
	}
	return c.s.Gateway.Handle(ctx, gateway.Request{Identity: c.who, Door: Door, Act: act})
}

// isAt is the address of the network at which something reached is, if it has one.
func isAt(r *reach.Reached) netip.AddrPort {
	var at net.Addr
	switch {
	case r.Listener != nil:
		at = r.Listener.Addr()
	case r.Conn != nil:
		at = r.Conn.RemoteAddr()
	}
	if tcp, is := at.(*net.TCPAddr); is {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// by is which server sftp is served by, "" of anything else.
func (w wanted) by(r *reach.Reached) string {
	switch {
	case w.verb != access.Subsystem || w.ask.Argv != nil:
		return ""
	case r.Path == "":
		return "muxward's own server"
	}
	return fmt.Sprintf("%.80s", r.Path)
}

// ends ends what reaches. If that may go on all the same, the gateway is to tell.
func ends(line *reach.Line) error {
	err := line.End()
	if errors.Is(err, reach.ErrUnsure) {
		err = fmt.Errorf("%w: %w", gateway.ErrUnsure, err)
	}
	return err
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
		return w.objects(nil, found.Path), nil, nil
	}
	return w.objects(found.Addrs, ""), found.Addrs, nil
}

// told gives what can be told of it without looking anything up: an address that is one, and
// what has neither a name nor a path. ok says whether it can.
func (w wanted) told() (addrs []netip.Addr, ok bool) {
	switch {
	case w.ask.Path != "":
		return nil, false // where it leads is looked at
	case w.verb != access.Forward:
		return nil, true
	}
	a, err := netip.ParseAddr(w.ask.Host)
	return []netip.Addr{a.Unmap()}, err == nil && a.Zone() == ""
}

// objects is what is decided, where addresses were found, or a path.
func (w wanted) objects(addrs []netip.Addr, path string) (on []access.Object) {
	if w.verb != access.Forward || w.ask.Path != "" {
		r := w.plain()
		if r.Path != "" {
			r.Path = leads(r.Path, path)
		}
		return []access.Object{{Reach: r}}
	}
	for _, a := range addrs {
		r := w.plain()
		r.Addr, r.Ours = a, ours(a)
		on = append(on, access.Object{Reach: r})
	}
	return on
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
	if !c.s.Room.Spares() { // each takes some, on a connection that was let in long before
		return nil, errSpared
	}
	person, ok := c.s.enter(c.s.reached, c.who.Person(), maxPersons)
	if !ok {
		return nil, fmt.Errorf("a person reaches for %d things at once", maxPersons)
	}
	all := maxEverybody
	if c.s.reachedBy(c.who.Person()) > fewPlaces {
		all -= keptPlaces
	}
	everybody, ok := c.s.enter(c.s.reached, "", all) // nobody's name
	if !ok {
		person()
		return nil, fmt.Errorf("all together reach for %d things at once", all)
	}
	c.reached++
	if listens {
		c.listens++
	}
	c.empty.Stop()
	return func() {
		everybody()
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

func (s *Server) reachedBy(person string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reached[person]
}

// emptied has a connection end some time on which there is nothing any more. The lock is
// held.
func (c *conn) emptied() {
	if c.open == 0 && c.reached == 0 {
		c.empty.Reset(emptyTime)
	}
}
