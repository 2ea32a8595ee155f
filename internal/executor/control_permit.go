package executor

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/teeth"
)

// passes lets something through to somebody in control mode while every one of
// the rights is held.
func (s *controlSeat) passes(rights []*gateway.Right, deliver func() error) error {
	if teeth.Out(teeth.Control) {
		return deliver()
	}
	return s.live.Do(rights[0], func() error {
		for _, r := range rights[1:] {
			if d := r.Decide(); !d.Allow {
				return &gateway.Refused{Decision: d, Need: r.Need()}
			}
		}
		return deliver()
	})
}

// lost reports whether what somebody is attached by is not theirs any more.
func lost(d access.Decision) bool { return !d.Allow && !teeth.Out(teeth.Control) }
