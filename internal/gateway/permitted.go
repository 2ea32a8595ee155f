package gateway

import (
	"context"

	"github.com/muxward/muxward/internal/tmux"
)

// Permission is what would be decided about a request.
type Permission struct {
	// Allowed: it would be carried out.
	Allowed bool
	// Needs are what that rests on.
	Needs []Need
}

// Permitted tells of each of several requests what would be decided about it
// now, by the steps of Handle up to the decision. Nothing is done, and nothing
// written: who is shown the answer is told no more than by trying.
func (g *Gateway) Permitted(ctx context.Context, reqs []Request) ([]Permission, error) {
	all := make([]Permission, 0, len(reqs))
	var now *tmux.Snapshot // the same for all of them
	for _, req := range reqs {
		if now == nil {
			if _, err := g.reading(ctx, &req); err != nil {
				return nil, err
			}
			now = req.fresh
		}
		req.fresh = now
		all = append(all, g.permitted(ctx, req))
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (g *Gateway) permitted(ctx context.Context, req Request) Permission {
	live, ctx := g.begin(ctx, req.Identity)
	defer live.end()
	plan, err := g.resolve(ctx, req)
	if err != nil {
		return Permission{}
	}
	return Permission{Allowed: live.decide(plan).Allow, Needs: plan.Needs}
}
