package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// guarded reports whether a command of somebody who does not hold every verb
// rests on what may change before tmux runs it: it puts bytes into a pane, or
// takes a pane out of its window and does not close the window with it. It is
// then tested inside tmux, in the same command, that this is still what was
// decided.
func guarded(plan *gateway.Plan) bool {
	inv := plan.Invocation
	switch {
	case plan.Full:
		return false
	case takesAway(inv):
		return len(inv.Closing(plan.Snapshot, tmux.Resolved{Target: plan.Found, Source: plan.Source}).Windows) == 0
	}
	switch inv.Row.Name {
	case "send-keys":
		return !inv.Has('X')
	case "send-prefix", "paste-buffer":
		return true
	}
	return false
}

// takesAway reports whether a command takes a pane out of its window.
func takesAway(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "kill-pane", "join-pane", "move-pane":
		return true
	}
	return false
}

// runGuarded has tmux do what a guest's command says, if it still may.
func (e *Executor) runGuarded(ctx context.Context, p *gateway.Permit, server Server) (gateway.Result, error) {
	failpoint.At("executor-guarded")
	plan := p.Plan()
	f := plan.Found
	if plan.Source != nil {
		f = *plan.Source
	}
	if !f.Whole() {
		return gateway.Result{}, errors.New("the pane has gone")
	}
	words, err := plan.Invocation.WordsFor(plan.Snapshot.Reading())
	if err != nil {
		return gateway.Result{}, err
	}
	place := tmux.Place{Pane: f.Pane.ID, Window: f.Window.ID, HasWindow: true, Session: f.Session.ID, HasSession: true}
	place.Living = plan.Invocation.Row.Name == "paste-buffer"
	if place.Watched, err = watchedAt(p, f.Pane.ID); err != nil {
		return gateway.Result{}, err
	}
	wrap, why := tmux.Guarded, untyped
	if takesAway(plan.Invocation) {
		place.Others = plan.Source == nil || plan.Source.Window.ID != plan.Found.Window.ID
		wrap, why = tmux.GuardedInMode, unclosed
	}
	argv, err := wrap(place, [][]string{words}, refusal, plan.Snapshot.Reading())
	if err != nil {
		return gateway.Result{}, err
	}
	result := gateway.Result{Executed: words}
	out, err := ask(ctx, server, asker(p), argv)
	if err == nil && len(out) > 0 {
		err = why(out)
	}
	return result, err
}

// refusal is what tmux prints if the pane is not any more what was decided.
const refusal = "muxward-refused"

// untyped says why tmux did not type, from what it printed.
func untyped(printed []byte) error {
	if strings.Contains(string(printed), refusal+tmux.Synchronized) {
		return errors.New("not typed: synchronize-panes is on, so it would go to other panes too")
	}
	if strings.Contains(string(printed), tmux.Unwatched) {
		return errUnwatched
	}
	if strings.Contains(string(printed), tmux.Unseen) {
		return errNotInFront
	}
	return errors.New("not typed: the pane is in a mode (such as copy mode), was moved, is not the active one any more, or its program has ended")
}

func unclosed(printed []byte) error {
	if strings.Contains(string(printed), tmux.Unwatched) {
		return errUnwatched
	}
	return errors.New("not done: the pane was moved, or is the only one in its window now; try again")
}

// asker is whose a command is that may type: see gateway.Owing.
func asker(p *gateway.Permit) any { return p.Request().Identity.Person() }

// ask has the server run one command over the kept connection and gives what
// it prints. What is not confirmed in time is taken back, so that it is not
// done later. Of is whose it is, nil for nobody's.
func ask(ctx context.Context, server Server, of any, words []string) ([]byte, error) {
	line, err := tmux.QuoteControl(words)
	if err != nil {
		return nil, err
	}
	c, err := server.Control(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach the tmux server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	replies, err := c.DoOf(ctx, of, line)
	switch {
	case err != nil && ctx.Err() != nil:
		takeBack(server, c)
		return nil, fmt.Errorf("no answer from the tmux server; what it had not read was taken back: %w", err)
	case err != nil:
		return nil, err
	}
	return replies[0].Data, replies[0].Err
}

// takeBack makes sure that nothing that was sent is done later: it has been
// done, or is withdrawn from a server that stands still. Others use the
// connection too, so it is not cut because one of them has gone.
func takeBack(server Server, c *control.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.Drain(ctx) == nil {
		return
	}
	late, stop := context.WithTimeout(context.Background(), exitTime)
	defer stop()
	if c.Cut(late).Unknown > 0 {
		outlast(server) // it had read it, and may still do it
	}
}
