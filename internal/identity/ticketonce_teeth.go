//go:build teeth_once_ticket

package identity

// once is not kept to. It is for the control runs of test/attack.
const once = false
