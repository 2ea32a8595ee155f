//go:build !teeth_moved

package executor

// confined: whoever is attached is shown the session that was decided; if their
// display or client is moved to another one, that is decided anew.
//
// The build tag teeth_moved takes this check out, for the control runs of
// test/attack.
const confined = true
