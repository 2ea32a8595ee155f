//go:build !teeth_once_ticket

package identity

// once has a ticket taken once.
//
// The build tag teeth_once_ticket takes this check out, for the control runs of
// test/attack.
const once = true
