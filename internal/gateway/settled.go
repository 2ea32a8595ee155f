//go:build !teeth_revoke

package gateway

import "context"

// again decides a permit anew, and waits until what it no longer permits has
// ended.
//
// The build tag teeth_revoke takes the waiting out, for the control runs of
// test/attack.
func (l *Live) again(ctx context.Context, why string) error { return l.reconsider(ctx, why) }
