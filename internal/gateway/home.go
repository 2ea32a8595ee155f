//go:build !teeth_home

package gateway

// home reports whether somebody is the owner at home: they hold every verb, on
// a server of their own.
//
// The build tag teeth_home takes whoever holds every verb for the owner, for
// the control runs of test/attack.
func home(full, own bool) bool { return full && own }
