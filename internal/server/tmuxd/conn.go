package tmuxd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

func stack() []byte { return debug.Stack() }

// lingerTime is how long a client may take to print and go.
const lingerTime = 5 * time.Second

// conn is one client with its proved person.
type conn struct {
	s      *Server
	client *client
	who    identity.Identity
	at     place
	ahead  gateway.Ahead
}

// proof is what was found out about a client.
type proof struct {
	who  identity.Identity
	peer *identity.Peer
}

func (p proof) close() {
	if p.peer != nil {
		_ = p.peer.Close()
	}
}

// prove says who is at the other end, and ends the connection when the
// process that made it has exited: whoever else holds the descriptor is not
// the person that was proved.
func (s *Server) prove(ctx context.Context, v *visit) (p proof) {
	defer func() {
		if r := recover(); r != nil {
			s.Complain(fmt.Sprintf("tmux door: a proof was ended by a fault: %v\n%s", r, stack()))
			p = proof{}
		}
	}()
	defer v.proved()
	failpoint.At("tmuxd-prove")
	who, peer, err := s.Prover.FromPeer(ctx, v.nc, "tmux")
	v.proved()
	if err != nil || who.IsNobody() {
		v.stand(crowd.Nobody)
	} else {
		v.stand(crowd.Known)
	}
	if passed.Starved(err) {
		s.starve(err)
		return proof{}
	}
	if err != nil {
		s.forget(v.uid)
		s.complain("tmux door: nobody was let in: " + err.Error())
		return proof{}
	}
	if who.IsNobody() {
		s.forget(v.uid)
		s.complain(fmt.Sprintf("tmux door: process %d of uid %d was not let in: %v", who.PID(), v.uid, who.Why()))
	} else {
		s.remember(v.uid, who.Person())
	}
	peer.WhenGone(v.gone)
	return proof{who: who, peer: peer}
}

// serve is the life of one connection: who is it, what do they want, do it,
// tell how it ended.
func (s *Server) serve(ctx context.Context, v *visit, admitted func(identity.Identity) error) {
	wc := wire.NewServer(v.nc)
	defer wc.Close()
	// The client needs a moment to introduce itself: meanwhile it is proved
	// who it is, and what it will most likely ask about is looked at. tmux is
	// asked first, as it answers while we prove; and all that in one goroutine,
	// as a thread that is woken for another takes longer than the proof.
	found := s.lookAhead(v.uid, v.at)
	p := s.prove(ctx, v)
	defer p.close()
	if ctx.Err() != nil { // it has gone, or made room
		return
	}
	who := p.who
	h := &hearing{s: s, uid: v.uid, who: who}
	defer h.end()
	hello, err := wc.Accept(ctx, h.worth)
	h.end()
	if err != nil {
		s.complain(fmt.Sprintf("tmux door: %s was not heard to the end: %v", whose(who), err))
		return
	}
	failpoint.At("tmuxd-serve")
	err = admitted(who) // known and within bounds: it no longer counts as a newcomer
	s.lend(who, hello)
	c := newClient(wc, hello)
	defer func() { v.ends(); c.close() }()
	if who.IsNobody() {
		finish(ctx, c, gateway.Result{}, cmp.Or(who.Why(), errNobody))
		return
	}
	release := func() {}
	if err == nil {
		release, err = s.holdings.hold(holder(who, v.uid), hello)
	}
	if err != nil {
		asked := gateway.Request{Identity: who, Door: v.at.path, Here: v.at.owner, Client: c}
		finish(ctx, c, gateway.Result{}, s.Gateway.Refuse(ctx, asked, hello.Argv, err))
		return
	}
	defer release()
	pumpCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	c.pumped = make(chan struct{})
	go func() {
		defer close(c.pumped)
		defer s.caught(whose(who)+"'s connection", v.gone)
		c.pump(pumpCtx, v.gone)
	}()
	result, err := (&conn{s: s, client: c, who: who, at: v.at, ahead: found(ctx)}).run(ctx, v.gone)
	failpoint.At("tmuxd-finish")
	finish(ctx, c, result, err)
	stop()
	<-c.pumped
}

// caught keeps a fault in what serves one client from ending anything but that
// client's connection. It is to be deferred.
func (s *Server) caught(what string, gone context.CancelCauseFunc) {
	if r := recover(); r != nil {
		s.faulted(what, r, gone)
	}
}

func (s *Server) faulted(what string, fault any, gone context.CancelCauseFunc) {
	s.Complain(fmt.Sprintf("tmux door: %s was ended by a fault: %v\n%s", what, fault, stack()))
	gone(errFault)
}

// errNobody is what somebody hears who is nobody here: what tmux says when
// there is no server.
var errNobody = errors.New("no server running here for you")

// errFault is what a person hears whose connection a fault of ours ended.
var errFault = errors.New("a fault of muxward ended this; it was written to the log")

func whose(who identity.Identity) string {
	if who.IsNobody() {
		return "somebody unknown"
	}
	return who.Person()
}

// run does what the client asks: every command is decided before the first
// one runs, and again when its turn comes.
func (c *conn) run(ctx context.Context, gone context.CancelCauseFunc) (gateway.Result, error) {
	failpoint.At("tmuxd-run")
	hello := c.client.hello
	base := gateway.Request{Identity: c.who, Door: c.at.path, Here: c.at.owner, Client: c.client, Ahead: c.ahead}
	c.ahead = gateway.Ahead{}
	base.Pane, _ = hello.Getenv("TMUX_PANE")
	switch {
	case hello.Shell:
		return gateway.Result{}, c.s.Gateway.Refuse(ctx, base, []string{"-c"}, errors.New("-c is not offered: "+
			"muxward runs no shell for a client; use new-window or split-window"))
	case hello.Flags&(wire.FlagControl|wire.FlagControlControl) != 0:
		return c.runControl(ctx, base, gone), nil
	}
	reqs, err := c.s.Gateway.Parse(ctx, base, hello.Argv)
	if err != nil {
		return gateway.Result{}, err
	}
	if err := c.s.Gateway.PreviewAll(ctx, reqs); err != nil {
		return gateway.Result{}, err
	}
	if len(reqs) == 1 && onlyShows(reqs[0].Invocation.Row.Name) {
		c.client.hold(c.s.Gateway.Telling(ctx, c.who))
	}
	return c.s.Gateway.HandleAll(ctx, reqs)
}

// onlyShows: the command has no effect but what it prints, and may be asked for again.
// Listings are not among these: what they show ends with their permit.
func onlyShows(name string) bool {
	return name == "display-message" || strings.HasPrefix(name, "show-")
}

// readable is text as the client's terminal can take it.
func readable(c *client, text string) string {
	text = tmux.Clean(text)
	if c.hello.Flags&wire.FlagUTF8 != 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = tmux.Sanitize(lines[i])
	}
	return strings.Join(lines, "\n")
}

// finish tells the client how it ended, in the way a tmux server does, and
// waits until it has printed that. What is held goes by its gate.
func finish(ctx context.Context, c *client, r gateway.Result, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lingerTime)
	defer cancel()
	if r.Silent {
		return
	}
	if r.Told {
		c.linger(ctx)
		return
	}
	text := ""
	if err != nil {
		if r.Exit == 0 {
			r.Exit = 1
		}
		if !errors.Is(err, gateway.ErrEnded) {
			text = strings.TrimRight(err.Error(), "\n")
		}
	}
	if c.answer(ctx, text, &wire.Exit{Code: int32(r.Exit), Message: r.Message}) == nil {
		c.linger(ctx)
	}
}
