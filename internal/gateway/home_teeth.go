//go:build teeth_home

package gateway

// home is where every verb is. It is for the control runs of test/attack.
func home(full, _ bool) bool { return full }
