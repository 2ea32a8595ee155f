package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// guarded reports whether a command puts bytes into a pane for somebody who
// does not hold every verb. It is then tested inside tmux, in the same
// command, that the pane is still what was decided.
func guarded(plan *gateway.Plan) bool {
	inv := plan.Invocation
	return !plan.Full && inv.Row.Name == "send-keys" && !inv.Has('X')
}

// sendGuarded has tmux type what a guest's send-keys says.
func (e *Executor) sendGuarded(ctx context.Context, p *gateway.Permit, server Server) (gateway.Result, error) {
	plan := p.Plan()
	f := plan.Found
	if !f.Whole() {
		return gateway.Result{}, errors.New("the pane has gone")
	}
	words, err := plan.Invocation.WordsFor(parsing(plan))
	if err != nil {
		return gateway.Result{}, err
	}
	argv, err := tmux.Guarded(tmux.Place{
		Pane: f.Pane.ID, Window: f.Window.ID, HasWindow: true, Session: f.Session.ID, HasSession: true,
	}, [][]string{words}, refusal, parsing(plan))
	if err != nil {
		return gateway.Result{}, err
	}
	result := gateway.Result{Executed: words}
	out, err := ask(ctx, server, argv)
	if err == nil && len(out) > 0 {
		err = errors.New("not typed: the pane is in a mode (such as copy mode), or was moved")
	}
	return result, err
}

// ask has the server run one command over the kept connection and gives what
// it prints. What is not confirmed in time is taken back, so that it is not
// done later.
func ask(ctx context.Context, server Server, words []string) ([]byte, error) {
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
	replies, err := c.Do(ctx, line)
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
