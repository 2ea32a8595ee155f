package executor

import "github.com/muxward/muxward/internal/teeth"

// touched reports whether something was taken from the person on this server:
// what they are shown is then decided part by part.
func (s *seat) touched() bool {
	return s.live.Touched(s.whole.Need().Object) && !teeth.Out(teeth.Parts)
}
