//go:build teeth_size

package gateway

// sized gives everybody's terminal a say. It is for the control runs of
// test/attack.
func sized(bool) bool { return true }
