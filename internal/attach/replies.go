//go:build !teeth_replies

package attach

// dropReplies: what a terminal says by itself is not typed.
//
// The build tag teeth_replies takes that out, for the control runs of test/attack.
const dropReplies = true
