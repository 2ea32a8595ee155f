//go:build !teeth_parts

package executor

// touched reports whether something was taken from the person on this server:
// what they are shown is then decided part by part.
//
// The build tag teeth_parts takes this check out, for the control runs of
// test/attack.
func (s *seat) touched() bool { return s.live.Touched(s.whole.Need().Object) }
