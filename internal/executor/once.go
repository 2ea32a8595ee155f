//go:build !teeth_once

package executor

import "context"

// lost is what becomes of a key whose connection to the tmux server ended
// before its answer: nobody knows whether it was typed, so that is told and
// written, and it is not sent again.
//
// The build tag teeth_once takes this check out, for the control runs of
// test/attack.
func (s *seat) lost(_ context.Context, _ fate, err error) {
	s.unsure(err)
	s.att.Notice("a key may not have been typed: " + err.Error())
}
