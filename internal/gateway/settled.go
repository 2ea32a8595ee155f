package gateway

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// again decides a permit anew, and waits until what it no longer permits has
// ended.
func (l *Live) again(ctx context.Context, why string) error {
	if teeth.Out(teeth.Revoke) {
		return nil
	}
	return l.reconsider(ctx, why)
}

// outdate makes what was found out for a permit until now old. Nobody waits for it: all of whom something is
// taken are old before the first is waited for, so that no other who hangs has anybody told what was theirs.
func (l *Live) outdate() {
	if !teeth.Out(teeth.Revoke) {
		l.anew.Add(1)
	}
}

// stands reports whether a verdict in memory is still one. Without the check it is as
// long as its permit is there: a control run does not depend on when it came about.
func (r *Right) stands(d *access.Decision) bool {
	if teeth.Out(teeth.Revoke) && d.Allow {
		return true
	}
	return !d.Obligations.Has(access.Watched) && d.Generation == r.l.g.generation() && (d.Expires.IsZero() || r.l.g.Time().Before(d.Expires))
}

// forget makes every verdict that is kept in memory an old one.
func (g *Gateway) forget() {
	if !teeth.Out(teeth.Revoke) {
		g.extra.Add(1)
	}
}

// Lasts reports whether a verdict on the right is still good at a time that has come since, as
// far as the clock has to do with it.
func (r *Right) Lasts(d access.Decision, at time.Time) bool {
	if teeth.Out(teeth.Revoke) && d.Allow {
		return true
	}
	return d.Expires.IsZero() || at.Before(d.Expires)
}
