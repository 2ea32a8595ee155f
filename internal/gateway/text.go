package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/muxward/muxward/internal/tmux"
)

// ParseText reads a line of tmux's command language, as the server reads it that
// the asker's display is at, and gives one request for each command; none for
// a line without a command. It is the counterpart of Parse for people in control
// mode: base.Session becomes the session that base.Display shows now.
func (g *Gateway) ParseText(ctx context.Context, base Request, line string) ([]Request, error) {
	opts, err := g.reading(ctx, &base)
	if err != nil {
		return nil, err
	}
	if base.fresh != nil && base.Display != "" {
		if c := base.fresh.Client(base.Display); c != nil {
			base.Session = &c.Session
		}
	}
	opts.OneGroup = true
	text, perr := tmux.ParseText(line, opts)
	if perr != nil {
		// As in tmux without the place: there is but one line.
		return nil, g.Refuse(ctx, base, []string{line}, fmt.Errorf("parse error: %w", &perr.ParseError))
	}
	if len(text.Assignments) > 0 {
		return nil, g.Refuse(ctx, base, []string{line}, fmt.Errorf("parse error: %s: a line cannot set it; "+
			"use set-environment -g", text.Assignments[0].Name))
	}
	return each(base, text.Commands), nil
}

// reading says how the server that a command line is for reads it, and keeps the
// state by which it is read in base.
func (g *Gateway) reading(ctx context.Context, base *Request) (tmux.ParseOptions, error) {
	owner := base.Here
	if owner == "" {
		owner = base.Identity.Person()
	}
	server := g.Servers.Server(owner)
	if server == nil {
		return tmux.ParseOptions{}, nil
	}
	snap, err := base.Ahead.of(owner)
	if snap == nil && err == nil {
		snap, err = server.Snapshot(ctx, tmux.Core)
	}
	switch {
	case err == nil:
		base.fresh = snap
		return tmux.ParseOptions{Version: snap.Version, Aliases: snap.Options.Aliases}, nil
	case !errors.Is(err, ErrServerEnded):
		return tmux.ParseOptions{}, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	return tmux.ParseOptions{}, nil
}

// each makes one request of each command.
func each(base Request, invs []*tmux.Invocation) []Request {
	reqs := make([]Request, len(invs))
	for i, inv := range invs {
		reqs[i] = base
		reqs[i].Invocation = inv
		if len(invs) > 1 {
			reqs[i].fresh = nil
		}
	}
	return reqs
}
