//go:build teeth_chain

package policy

// held has what was given count whatever becomes of its giver. It is for the
// control runs of test/attack.
func held(bool) bool { return true }
