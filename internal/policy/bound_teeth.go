//go:build teeth_chain

package policy

// bound has grants count with any key. It is for the control runs of test/attack.
func bound(bool) bool { return true }
