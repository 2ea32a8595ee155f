package executor

import (
	"context"

	"github.com/muxward/muxward/internal/teeth"
)

// lost is what becomes of a key whose connection to the tmux server ended
// before its answer: nobody knows whether it was typed, so that is told and
// written, and it is not sent again.
func (s *seat) lost(ctx context.Context, key fate, err error) {
	if teeth.Out(teeth.Once) {
		_ = s.transmit(ctx, nil, key.line, key.quiet)
		return
	}
	s.unsure(err)
	s.att.Notice("a key may not have been typed: " + err.Error())
}
