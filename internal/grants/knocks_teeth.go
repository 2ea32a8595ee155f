//go:build teeth_knock

package grants

// knocks lets everybody in who has a code. It is for the control runs of test/attack.
func knocks(bool) bool { return false }
