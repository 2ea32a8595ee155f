//go:build teeth_names

package identity

// strict lets every byte stand in a name. It is for the control runs of
// test/attack.
func strict(bool) bool { return true }
