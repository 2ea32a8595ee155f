package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about commands for which a tmux client starts a server where
// none runs: the person's own, and nobody else's.

// startsFirst reports whether a person's server has to be started before their
// command line. new-session starts it itself, so that the two are decided as
// one.
func (g *Gateway) startsFirst(ctx context.Context, who identity.Identity, invs []*tmux.Invocation) bool {
	first := invs[0].Row.Name
	if first == "new-session" || first == "start-server" || !slices.ContainsFunc(invs, g.startsOwn(who)) {
		return false
	}
	live, _ := g.begin(ctx, who)
	defer live.end()
	return live.Decide(Everything(ownServer(who.Person()))).Allow
}

// startsOwn reports whether a command starts a server, and is not about
// somebody else's.
func (g *Gateway) startsOwn(who identity.Identity) func(*tmux.Invocation) bool {
	return func(inv *tmux.Invocation) bool {
		target, _ := inv.Get('t')
		owner, _, ok := tmux.SplitOwner(target, g.OwnerFor(who))
		return inv.Row.Starts && ok && owner == ""
	}
}

// runs reports whether a person's server runs. One that has ended may be known
// a moment longer.
func (g *Gateway) runs(ctx context.Context, owner string) bool {
	server := g.Servers.Server(owner)
	if server == nil {
		return false
	}
	_, err := server.Snapshot(ctx, tmux.Core)
	return !errors.Is(err, ErrServerEnded)
}

func ownServer(person string) access.Object {
	return access.Object{Kind: access.Server, Owner: person}
}

// starts makes a plan one that starts the person's own server, if they hold
// every verb on it.
func (p *Plan) starts(live *Live, person string) bool {
	own := ownServer(person)
	p.Start, p.Mode = true, Run
	p.Needs = []Need{{Verb: access.Spawn, Object: own, Command: len(p.Invocation.Args) > 0}, Everything(own)}
	p.Full = live.Decide(Everything(own)).Allow
	p.Home = home(p.Full, true)
	return p.Full
}

// resolveStart plans start-server. Where there is nothing to start, or nothing
// that this person may start, nothing is done: with tmux it never fails.
func (g *Gateway) resolveStart(ctx context.Context, live *Live, req Request) *Plan {
	me := req.Identity.Person()
	p := &Plan{Invocation: req.Invocation}
	if !g.runs(ctx, me) && (req.Here == "" || req.Here == me) && p.starts(live, me) {
		return p
	}
	return &Plan{Mode: Answer, Invocation: req.Invocation, Visible: &tmux.Snapshot{}}
}
