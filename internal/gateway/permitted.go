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

// trying is for requests of which it is only told what would be decided: all by one
// state of one server, and by what the person sees of it, which is found out once.
type trying struct {
	known, viewed *tmux.Snapshot // nil until it is asked for
}

// Permitted tells of each of several requests, of one person about one server, what
// would be decided about it now, by the steps of Handle up to the decision. Nothing is
// done, and nothing written: who is shown the answer is told no more than by trying.
// The server is asked for its state once, and no other is.
func (g *Gateway) Permitted(ctx context.Context, reqs []Request) ([]Permission, error) {
	if len(reqs) == 0 {
		return nil, nil
	}
	first := reqs[0]
	live, ctx := g.begin(ctx, first.Identity)
	defer live.end()
	if _, err := g.reading(ctx, &first); err != nil {
		return nil, err
	}
	all := make([]Permission, 0, len(reqs))
	now := new(trying)
	for _, req := range reqs {
		req.Identity, req.Here = first.Identity, first.Here
		req.fresh, req.trying = first.fresh, now
		req, begins, err := g.byProfile(ctx, live, req)
		if err != nil || begins != nil {
			all = append(all, Permission{}) // what it comes to is known once that runs
			continue
		}
		var p Permission
		if plan, err := g.resolve(ctx, req); err == nil {
			p = Permission{Allowed: live.decide(plan).Allow, Needs: plan.Needs}
		}
		all = append(all, p)
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// state is the state of the server by which a request is decided.
func (r *resolver) state(ctx context.Context, detail tmux.Detail) (*tmux.Snapshot, error) {
	server, snap := r.plan.Server, r.req.fresh
	known := snap != nil && snap.Incarnation.String() == server.Incarnation()
	switch {
	case r.req.trying != nil && !known:
		return nil, ErrServerEnded
	case known && (detail == tmux.Core || r.req.trying != nil):
		return snap, nil
	}
	return server.Snapshot(ctx, detail)
}

// knows is what the person may know of the server, and views what they may view.
func (r *resolver) knows() *tmux.Snapshot {
	if r.req.trying == nil {
		return r.g.visible(r.live, r.scene, r.g.knownAt)
	}
	if r.req.trying.known == nil {
		r.req.trying.known = r.g.visible(r.live, r.scene, r.g.knownAt)
	}
	return r.req.trying.known
}

func (r *resolver) views() *tmux.Snapshot {
	if r.req.trying == nil {
		return r.g.visible(r.live, r.scene, r.g.viewedAt)
	}
	if r.req.trying.viewed == nil {
		r.req.trying.viewed = r.g.visible(r.live, r.scene, r.g.viewedAt)
	}
	return r.req.trying.viewed
}
