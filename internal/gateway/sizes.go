package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/tmux"
)

// bounded holds whoever is not the owner of a server to sizes that everybody there
// can do with. Owners have their own server draw what tmux takes: it is they who
// wait for it, and a window of five thousand lines keeps a long output.
func (r *resolver) bounded() error {
	if r.plan.Home {
		return nil
	}
	return r.plan.Invocation.BoundSizes(r.plan.Found.Window, r.plan.Snapshot.Reading())
}

// sizesPace is how often tmux hears of sizes from one person. What one command holds
// comes together; it has its turn when as many turns have passed.
func sizesPace() pace.Rate {
	return pace.Rate{AtOnce: 5, ASecond: sizesASecond, Longest: 5 * time.Second}
}

const sizesASecond = 15

// countSizes counts the sizes of a command that was not read here, but by whoever
// asks, such as what a key is bound to.
func (g *Gateway) countSizes(ctx context.Context, req *Request) error {
	if req.counted || req.Invocation == nil {
		return nil
	}
	var opts tmux.ParseOptions
	if len(req.Invocation.Nested()) > 0 {
		at := *req // what is looked at now is old when their turn comes
		var err error
		if opts, err = g.reading(ctx, &at); err != nil {
			return err
		}
	}
	req.sizes, req.counted = req.Invocation.CountSizes(opts), true
	return nil
}

// governPace is how often one person changes rights.
func governPace() pace.Rate {
	return pace.Rate{AtOnce: 60, ASecond: 20, Longest: 2 * time.Second}
}

// governing has whoever changes rights wait for their turn, but for who may do it to
// everybody anyway. Who comes with a code needs no verb for it, and changes their own.
func (g *Gateway) governing(ctx context.Context, req Request) error {
	verb := req.Act.Verb
	if req.Act.Admits == nil && (req.Act.Open || !access.Governing.Has(verb) || g.Holds(req.Identity, access.Object{}).Has(verb)) {
		return nil
	}
	// What stops others waits for nothing else that a person does, and nobody in their
	// panes uses up their turns.
	turns, who := &g.governs, req.Identity.Person()
	if req.Act.Urgent {
		turns = &g.stops
	}
	if req.Identity.Inside() != "" {
		who += " inside"
	}
	err := turns.Wait(ctx, governPace(), who, 1)
	if errors.Is(err, pace.ErrTooMuch) {
		err = fmt.Errorf("%s: too much at once; a person changes rights %.0f times a second", req.Act.Name, governPace().ASecond)
	}
	if err != nil {
		return g.writeRefusal(ctx, req, nil, access.Decision{}, err)
	}
	return nil
}

// paced has whoever tells tmux of sizes, or changes rights, wait for their turn,
// before anything is decided.
func (g *Gateway) paced(ctx context.Context, req Request) error {
	if req.Act != nil {
		return g.governing(ctx, req)
	}
	refuse := func(why error) error {
		return g.writeRefusal(ctx, req, &Plan{Invocation: req.Invocation}, access.Decision{}, why)
	}
	if err := g.countSizes(ctx, &req); err != nil {
		return refuse(err)
	}
	if req.sizes == 0 {
		return nil
	}
	err := g.sizes.Wait(ctx, sizesPace(), req.Identity.Person(), req.sizes)
	switch {
	case errors.Is(err, pace.ErrTooMuch):
		return refuse(fmt.Errorf("%s: too many sizes at once; tmux takes %d a second of a person", req.Invocation.Row.Name, sizesASecond))
	case err != nil:
		return refuse(err)
	}
	return nil
}
