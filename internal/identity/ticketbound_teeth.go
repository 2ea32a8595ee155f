//go:build teeth_ticket

package identity

// bound is not kept to. It is for the control runs of test/attack.
const bound = false
