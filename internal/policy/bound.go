//go:build !teeth_chain

package policy

// bound reports whether somebody comes with the key that a grant is bound to, as it
// was found out.
//
// The build tag teeth_chain takes this check out, for the control runs of
// test/attack.
func bound(same bool) bool { return same }
