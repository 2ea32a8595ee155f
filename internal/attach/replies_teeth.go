//go:build teeth_replies

package attach

// dropReplies: answers and reports are typed like anything else. It is for the
// control runs of test/attack.
const dropReplies = false
