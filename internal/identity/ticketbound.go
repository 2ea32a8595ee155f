//go:build !teeth_ticket

package identity

// bound has a ticket taken only from below the sshd connection that it was made for.
//
// The build tag teeth_ticket takes this check out, for the control runs of
// test/attack.
const bound = true
