package gateway

import (
	"context"

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

// forget makes every verdict that is kept in memory an old one.
func (g *Gateway) forget() {
	if !teeth.Out(teeth.Revoke) {
		g.extra.Add(1)
	}
}
