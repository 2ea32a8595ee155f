//go:build teeth_once

package executor

import "context"

// lost sends the key again. It is for the control runs of test/attack.
func (s *seat) lost(ctx context.Context, key fate, _ error) {
	_ = s.transmit(ctx, key.line, key.quiet)
}
