//go:build teeth_parts

package executor

// touched decides about sessions as a whole. It is for the control runs of
// test/attack.
func (s *seat) touched() bool { return false }
