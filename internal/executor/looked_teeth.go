//go:build teeth_looked

package executor

// looked is off: what was captured is shown. It is for the control runs of
// test/attack.
const looked = false
