package sshd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
)

// conn is one connection, and once it has proved somebody, theirs.
type conn struct {
	s     *Server
	nc    *wary
	from  source
	known func() // it counts as a newcomer no longer
	ssh   *ssh.ServerConn
	way   way
	who   identity.Identity
	// target is what the user name names beside the person.
	target string
	proof  atomic.Pointer[identity.SSHProof]
	// patience is until when passwords are tried; of the goroutine that asks.
	patience time.Time
	// answered tells that nobody is asked here any more for a second factor; it may be told again.
	answered func()

	mu      sync.Mutex
	tried   []string // why keys were not taken
	key     string   // the last of them
	asked   string   // who has proved a key, or a password, and is asked for a second factor
	proved  string   // which of the two
	wrong   int      // what they answered that was not taken
	guessed []string // whose passwords were tried that were not taken
	cancel  context.CancelCauseFunc
	ended   error
	open    int  // channels, until both ends have closed them
	busy    int  // of them, those on which something is still said
	enough  bool // the client wants no more sessions here
	refused int
	reached int // what is reached besides tmux
	listens int // of that, listeners
	// missed counts what was not reached because of a limit, since missedTold.
	missed     int
	missedTold time.Time
	// listeners are those that the client can take back.
	listeners map[at]*listener
	empty     *time.Timer
	expiry    *time.Timer   // of the proof, if it has one
	fewer     chan struct{} // busy has gone down
	done      chan struct{}
	wg        sync.WaitGroup
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{s: s, answered: func() {}, nc: &wary{Conn: nc, left: graceBytes, quick: newQuick(nc)}, fewer: make(chan struct{}, 1), done: make(chan struct{})}
}

// end has everything of the connection end, for a reason that its person hears.
func (c *conn) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = why
	}
	if c.cancel != nil {
		c.cancel(c.ended)
	}
}

// serve is the life of a connection: who is it, and a session for each channel.
func (c *conn) serve(ctx context.Context) {
	defer close(c.done)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.mu.Lock()
	c.cancel = cancel
	if c.ended != nil {
		cancel(c.ended)
	}
	c.mu.Unlock()
	bound(c.nc.Conn)
	channels, requests, err := c.shake(ctx)
	if err != nil {
		return
	}
	defer c.nc.Close()
	leave, ok := c.s.enter(c.s.people, c.who.Person(), perPerson)
	if !ok {
		c.s.refuse(access.Event{From: c.who.From(), Person: c.who.Person(), Key: c.who.Key(), Reason: c.who.Person() + " has too many connections here"})
		abandon(c.ssh, channels, requests)
		return
	}
	defer leave()
	if !c.letIn(ctx) {
		abandon(c.ssh, channels, requests)
		return
	}
	c.s.pen.came(c.from, time.Now())
	defer func() { c.s.pen.came(c.from, time.Now()) }()
	looking, found := context.WithTimeout(ctx, c.s.times().look)
	now, err := c.s.Prover.Stands(looking, c.proof.Load())
	found()
	if !stands(err) { // keys may have changed meanwhile
		c.s.refuse(access.Event{From: c.who.From(), Person: c.who.Person(), Key: c.who.Key(), Reason: "what was proved does not stand any more: " + err.Error()})
		abandon(c.ssh, channels, requests)
		return
	}
	if now != nil {
		c.take(now)
	}
	defer c.unarm()
	c.attend(ctx, channels, requests)
}

// errExpired is why a connection ends whose proof does.
var errExpired = errors.New("what you came in with has expired")

// take has the connection rest on a proof, for as long as that holds.
func (c *conn) take(proof *identity.SSHProof) {
	c.proof.Store(proof)
	c.unarm()
	if proof.Until().IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expiry = time.AfterFunc(proof.Until().Sub(c.s.Prover.Now()), func() { c.end(errExpired) })
}

func (c *conn) unarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expiry != nil {
		c.expiry.Stop()
	}
}

// shake proves who it is, in time.
func (c *conn) shake(ctx context.Context) (<-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	prover := c.s.Prover
	prover.Refused, prover.Asking, prover.Trying, prover.Guessed = c.note, c.asking, c.trying, c.guess
	prover.NotAsked = c.notAsked
	defer func() { c.answered() }()
	config := c.s.config()
	config.AddHostKey(witness{c.s.Key.signer, c.way.begins})
	if certified := c.s.Key.certified(c.s.Prover.Now()); certified != nil {
		config.AddHostKey(certified)
	}
	prover.Install(ctx, config)
	_ = c.nc.SetDeadline(time.Now().Add(cmp.Or(c.s.Grace, graceTime)))
	stop := context.AfterFunc(ctx, func() { _ = c.nc.Close() })
	conn, channels, requests, err := ssh.NewServerConn(c.nc, config)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		var proof *identity.SSHProof
		if c.who, proof, err = prover.FromConn(conn, Door); err == nil {
			c.target = proof.Target(conn.User())
			c.proof.Store(proof)
		}
	}
	if err != nil {
		c.fail(ctx, err)
		if conn != nil {
			abandon(conn, channels, requests)
		}
		return nil, nil, err
	}
	c.ssh = conn
	c.nc.trusted.Store(true)
	_ = c.nc.SetDeadline(time.Time{})
	c.known()
	return channels, requests, nil
}

// asking has somebody asked for more than the key that they have proved. They have time
// to look for it, and make room for others who have proved that person's key, and for no newcomers any more.
// Who has answered one thing and is asked for another is counted once, as who came last.
func (c *conn) asking(person, key string) error {
	c.answered() // else nobody would take that entry out again, and it would end who is let in
	c.answered = c.s.askedOf(person).enter(c.from, false, maxAskedFrom, maxAsked, func() { c.end(errAskedAgain) })
	c.known()
	c.mu.Lock()
	c.asked, c.key, c.proved = person, key, "key"
	if strings.HasPrefix(key, "password of ") {
		c.proved = "password"
	}
	c.mu.Unlock()
	return c.nc.SetDeadline(time.Now().Add(codeTime))
}

// errGuesses is why nobody is asked for a password.
var errGuesses = errors.New("too many passwords that came from the address were wrong; it has to wait")

// trying lets somebody try to come by a password. They have time to look for it, and as much
// for all other tries together, and go on to make room for others: a name that anybody can say has none kept for it.
func (c *conn) trying() error {
	if guesses() && c.s.guesses.waits(c.from, time.Now()) {
		return errGuesses
	}
	if c.patience.IsZero() {
		c.patience = time.Now().Add(2 * codeTime)
	}
	return c.nc.SetDeadline(c.patience)
}

// notAsked tells the administrator: all logins by password may fail until they do something.
func (c *conn) notAsked(err error) {
	c.s.seldom(&c.s.unasked, "ssh door: "+err.Error())
}

// guess has the address pay for a password that was not taken, also if somebody comes in
// behind it: who has one account could try those of others.
func (c *conn) guess(name string) {
	c.s.guesses.add(c.from, failCost, time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guessed = append(c.guessed, fmt.Sprintf("%.40q", name))
}

// errAskedAgain is why a connection ended on which nothing was answered.
var errAskedAgain = errors.New("others have proved the same person's key since, and it has not answered")

// letIn writes that somebody was let in, in their turn, or else nobody was.
func (c *conn) letIn(ctx context.Context) bool {
	if c.s.pace.Wait(ctx, connPace(), c.who.Person(), 1) != nil {
		return false
	}
	err := c.s.Gateway.AtDoor(ctx, access.Event{Door: Door, From: c.who.From(), Key: c.who.Key(), Person: c.who.Person(),
		Account: c.who.Account(), Allowed: true, Note: c.letInAs()})
	if err != nil {
		c.s.Complain("ssh door: " + c.who.Person() + " was not let in, because it cannot be recorded: " + err.Error())
	}
	return err == nil
}

// letInAs tells how somebody was let in.
func (c *conn) letInAs() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	note := "let in"
	if p := c.proof.Load(); p != nil && p.ByPassword() {
		note += " by password"
		if c.who.MFA() {
			note += ", and a second factor"
		}
	}
	if n := len(c.guessed); n > 0 {
		whose := slices.Compact(slices.Sorted(slices.Values(c.guessed)))
		note += fmt.Sprintf("; passwords that were not taken before: %d, of %s", n, strings.Join(whose, ", "))
	}
	if c.wrong > 0 {
		note += fmt.Sprintf("; answers for the second factor that were not taken before: %d", c.wrong)
	}
	return note
}

// abandon ends a connection that is not served, and what came over it.
func abandon(conn *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	_ = conn.Close()
	var rest sync.WaitGroup
	rest.Go(func() { ssh.DiscardRequests(requests) })
	for ch := range channels {
		_ = ch.Reject(ssh.Prohibited, "")
	}
	rest.Wait()
}

// note keeps why a key was not taken.
func (c *conn) note(_ net.Addr, key string, proved bool, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = key
	if c.asked != "" {
		c.wrong++
	}
	text := why.Error()
	if !proved {
		text += " (offered)"
	}
	if len(c.tried) < maxTries {
		c.tried = append(c.tried, text)
	}
}

// spared is how often connections fail from one address behind one person's key
// without that the address pays: what they may guess is bounded by what it costs the
// person, and others are there who are not to wait for it.
func spared() pace.Rate {
	return pace.Rate{AtOnce: atOneGo, ASecond: 1 / failCost.Seconds(), Longest: time.Nanosecond}
}

// fail writes that nobody was proved, and has the address pay for it.
func (c *conn) fail(ctx context.Context, err error) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errMadeRoom), errors.Is(cause, errAskedAgain):
		err = cause
	case cause != nil:
		return
	}
	c.mu.Lock()
	tried, key, asked, proved := strings.Join(c.tried, "; "), c.key, c.asked, c.proved
	c.mu.Unlock()
	var timeout net.Error
	cost := leaveCost
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		cost = graceCost
	case tried != "":
		cost = failCost
	}
	free := false
	if asked != "" {
		_, free = c.s.spare.Take(spared(), asked+" "+c.from.near.net.String(), 1, time.Now())
	}
	if fails() && !free {
		c.s.pen.add(c.from, cost, time.Now())
	}
	why := "nobody was proved: " + err.Error()
	if tried != "" {
		why += "; " + tried
	}
	if asked != "" {
		why += "; the " + proved + " of " + asked + " was proved, and not their second factor"
	}
	c.s.refuse(access.Event{From: c.nc.RemoteAddr().String(), Person: asked, Key: key, Reason: why})
}

// attend serves channels until the connection ends.
func (c *conn) attend(ctx context.Context, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	c.mu.Lock()
	c.empty = time.AfterFunc(emptyTime, func() { gone(errors.New("nothing was asked for")) })
	c.mu.Unlock()
	defer c.empty.Stop()
	c.wg.Go(func() {
		defer c.s.caught("a connection's requests", gone)
		for r := range requests {
			c.global(ctx, r, gone)
		}
	})
	c.wg.Go(func() { c.keepAlive(ctx, gone) })
	// Sessions have the last word, and then the connection ends, whatever they do.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		c.quiet(lingerTime)
		c.nc.hangUp(time.Second)
	})
	for ch := range channels {
		c.channel(ctx, ch, gone)
	}
	gone(errors.New("the connection has ended"))
	if !stop() {
		<-closed
	}
	_ = c.ssh.Close()
	c.wg.Wait()
}

// keepAlive ends the connection of a client that does not answer: it has gone, or
// goes on with nothing, such as an exchange of keys that it has begun.
func (c *conn) keepAlive(ctx context.Context, gone context.CancelCauseFunc) {
	t := c.s.times()
	for {
		select {
		case <-time.After(t.ask):
		case <-ctx.Done():
			return
		}
		answered := make(chan struct{})
		c.wg.Go(func() {
			defer close(answered)
			_, _, _ = c.ssh.SendRequest(keepalive, true, nil) // an error is that of the connection
		})
		select {
		case <-answered:
		case <-ctx.Done():
			return
		case <-time.After(t.answer):
			gone(errors.New("the client does not answer"))
			c.nc.abort()
			return
		}
	}
}

// quiet waits until no session has anything to say any more, at most for limit.
func (c *conn) quiet(limit time.Duration) {
	over := time.After(limit)
	for {
		c.mu.Lock()
		busy := c.busy
		c.mu.Unlock()
		if busy == 0 {
			return
		}
		select {
		case <-c.fewer:
		case <-over:
			return
		}
	}
}

// refuse answers what is not offered, which is in the log, and ends a connection
// that does not stop to ask.
func (c *conn) refuse(ctx context.Context, what string, gone context.CancelCauseFunc) error {
	c.mu.Lock()
	c.refused++
	enough := tiresome(c.refused)
	c.mu.Unlock()
	if enough {
		gone(errors.New("too much was asked for that is not offered"))
	}
	return c.s.Gateway.Refuse(ctx, gateway.Request{Identity: c.who, Door: Door}, []string{"ssh", what},
		fmt.Errorf("%s is not offered here", tidy(what)))
}

// global answers a request that is about the whole connection.
func (c *conn) global(ctx context.Context, r *ssh.Request, gone context.CancelCauseFunc) {
	switch r.Type {
	case keepalive, "hostkeys-prove-00@openssh.com":
	case "no-more-sessions@openssh.com":
		c.mu.Lock()
		c.enough = true
		c.mu.Unlock()
	case forwardTCP, forwardSocket:
		ok, answer := c.listen(ctx, r.Type, r.Payload, gone)
		if r.WantReply {
			_ = r.Reply(ok, answer) // who has gone hears nothing
		}
		return
	case "cancel-" + forwardTCP, "cancel-" + forwardSocket:
		ok := c.cancelListen(strings.TrimPrefix(r.Type, "cancel-"), r.Payload)
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		return
	default:
		_ = c.refuse(ctx, r.Type, gone)
	}
	if r.WantReply {
		_ = r.Reply(false, nil) // who has gone hears nothing
	}
}

// channel opens a session, or what the policy permits besides.
func (c *conn) channel(ctx context.Context, ch ssh.NewChannel, gone context.CancelCauseFunc) {
	if t := ch.ChannelType(); t == directTCP || t == directSocket {
		c.forward(ctx, ch, gone)
		return
	}
	if ch.ChannelType() != "session" {
		err := c.refuse(ctx, ch.ChannelType(), gone)
		_ = ch.Reject(ssh.Prohibited, err.Error())
		return
	}
	c.mu.Lock()
	busy := crowded(c.open, maxChannels) || c.enough || c.ended != nil || ctx.Err() != nil
	var leave func()
	ok := false
	if !busy {
		leave, ok = c.s.enter(c.s.sessions, c.who.Person(), maxSessions)
		busy = !ok
	}
	if !busy {
		c.open++
		c.busy++
		c.empty.Stop()
	}
	c.mu.Unlock()
	if busy {
		_ = c.refuse(ctx, "one more session", gone)
		_ = ch.Reject(ssh.ResourceShortage, "too many sessions")
		return
	}
	channel, requests, err := ch.Accept()
	if err != nil {
		c.silent()
		c.left()
		leave()
		return
	}
	c.wg.Go(func() {
		defer leave()
		defer c.left()
		defer c.s.caught(c.who.Person()+"'s session", gone)
		x := newSession(c, channel, gone)
		func() {
			defer c.silent()
			x.serve(ctx, requests)
		}()
		x.farewell(requests)
	})
}

// silent counts a session that has nothing to say any more.
func (c *conn) silent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	wake(c.fewer)
}

// left counts a channel that is closed.
func (c *conn) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	c.emptied()
}
