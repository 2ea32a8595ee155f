//go:build teeth_moved

package executor

// confined is off: every session is shown. It is for the control runs of
// test/attack.
const confined = false
