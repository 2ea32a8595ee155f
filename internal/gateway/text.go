package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// ParseText reads a line of tmux's command language, as the server reads it that
// the asker's display is at, and gives one request for each command; none for
// a line without a command. It is the counterpart of Parse for people in control
// mode: base.Session becomes the session that base.Display shows now.
//
// What a line leaves to the server is asked of it for who holds every verb there,
// so that the requests hold what it stands for. Requests that come with an error
// are what the line has set before the place that is wrong, as with tmux.
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
	if leftToServer(text, perr) {
		return g.parseExpanded(ctx, base, line, opts)
	}
	if perr != nil {
		// As in tmux without the place: there is but one line.
		return nil, g.Refuse(ctx, base, []string{line}, fmt.Errorf("parse error: %w", &perr.ParseError))
	}
	return each(base, text.Commands), nil
}

// leftToServer reports whether what a text says rests on the server that reads
// it, or changes something there.
func leftToServer(text *tmux.CommandText, err *tmux.TextError) bool {
	if err == nil {
		return len(text.Assignments) > 0
	}
	return len(err.Assignments) > 0 || err.Reason == tmux.NotExpanded || err.Reason == tmux.BadAlias
}

// Expander is an Attachment at a server that can be asked what a text leaves to
// it. It is asked only for who holds every verb there: formats are evaluated.
type Expander interface {
	// Expand gives the server's answers, nil if it cannot be asked. Once the
	// text is read, failed says whether an answer is missing.
	Expand(ctx context.Context) (answers *tmux.Expansion, failed func() error)
}

// parseExpanded reads a line in which the server has a say. Asking the server is
// an act of its own, that goes through Handle: nothing is asked before it is
// written.
func (g *Gateway) parseExpanded(ctx context.Context, base Request, line string, opts tmux.ParseOptions) ([]Request, error) {
	at, able := base.By.(Expander)
	on, full := g.holdsAll(ctx, base)
	opts.Expand = nil
	if !able || !full {
		text, perr := tmux.ParseText(line, opts)
		return nil, g.Refuse(ctx, base, []string{line}, unexpanded(text, perr))
	}
	var text *tmux.CommandText
	var perr *tmux.TextError
	_, err := g.Handle(ctx, Request{Identity: base.Identity, Door: base.Door, Act: &Act{
		Name: "read", Args: []string{line}, All: &on,
		Do: func(ctx context.Context, _ access.Object) (Result, error) {
			answers, failed := at.Expand(ctx)
			opts.Expand = answers
			text, perr = tmux.ParseText(line, opts)
			return Result{}, failed()
		},
	}})
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the tmux server what is meant: %w", err)
	case opts.Expand == nil:
		return nil, g.Refuse(ctx, base, []string{line}, unexpanded(text, perr))
	case perr != nil:
		why := fmt.Errorf("parse error: %w", &perr.ParseError)
		return assigning(base, perr.Assignments), g.Refuse(ctx, base, []string{line}, why)
	}
	reqs := append(assigning(base, text.Assignments), each(base, text.Commands)...)
	for i := range reqs {
		reqs[i].fresh = nil // time has passed since
		reqs[i].Invocation.Indirect = true
	}
	return reqs, nil
}

// holdsAll reports whether somebody holds every verb on the server that they are
// attached to, and gives that server.
func (g *Gateway) holdsAll(ctx context.Context, base Request) (access.Object, bool) {
	server := g.server(base.Here)
	if server == nil {
		return access.Object{}, false
	}
	live, _ := g.begin(ctx, base.Identity)
	defer live.end()
	on := access.Object{Kind: access.Server, Owner: base.Here, Incarnation: server.Incarnation()}
	return on, trusted(live.decide(&Plan{Needs: []Need{Everything(on)}}).Allow)
}

// unexpanded says why a line is refused that would be for the server to read.
func unexpanded(text *tmux.CommandText, err *tmux.TextError) error {
	switch {
	case err != nil && err.Reason == tmux.NotExpanded:
		return fmt.Errorf("parse error: %w", err)
	case err != nil && (err.Reason == tmux.BadAlias || len(err.Assignments) == 0):
		return fmt.Errorf("parse error: %w", &err.ParseError)
	}
	var all []tmux.Assignment
	if err != nil {
		all = err.Assignments
	} else {
		all = text.Assignments
	}
	if len(all) == 0 {
		return errors.New("parse error: it has changed meanwhile; try again")
	}
	return fmt.Errorf("parse error: %v: %s: a line cannot set it; use set-environment -g", all[0].At, all[0].Name)
}

// assigning makes one request of each assignment.
func assigning(base Request, all []tmux.Assignment) []Request {
	reqs := make([]Request, len(all))
	for i := range all {
		reqs[i] = base
		reqs[i].Invocation, reqs[i].Assigns = all[i].Invocation(), &all[i]
		reqs[i].Invocation.Indirect = true
	}
	return reqs
}

// reading says how the server that a command line is for reads it, and keeps the
// state by which it is read in base.
func (g *Gateway) reading(ctx context.Context, base *Request) (tmux.ParseOptions, error) {
	owner := base.Here
	if owner == "" {
		owner = base.Identity.Person()
	}
	server := g.server(owner)
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
		return snap.Reading(), nil
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
		reqs[i].Invocation, reqs[i].sizes, reqs[i].counted = inv, inv.CountSizes(base.fresh.Reading()), true
		if len(invs) > 1 {
			reqs[i].fresh = nil
		}
	}
	return reqs
}
