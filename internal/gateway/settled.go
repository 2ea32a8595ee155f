//go:build !teeth_revoke

package gateway

import "context"

// again decides a permit anew, and waits until what it no longer permits has
// ended.
//
// The build tag teeth_revoke leaves permits in use as they are, for the
// control runs of test/attack.
func (l *Live) again(ctx context.Context, why string) error { return l.reconsider(ctx, why) }

// forget makes every verdict that is kept in memory an old one.
func (g *Gateway) forget() { g.extra.Add(1) }
