//go:build teeth_door

package wire

// mayKeep takes whatever comes. It is for the control runs of test/attack.
func (c *Conn) mayKeep(int) error { return nil }
