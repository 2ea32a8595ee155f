//go:build teeth_unsized

package executor

// unsized and weighs believe that no display sizes anything. They are for the
// control runs of test/attack.
func unsized(string) bool { return true }

const weighs = false
