//go:build !teeth_made

package executor

// tellsMade: what a command has made is looked up, and written to the log.
//
// The build tag teeth_made takes this out, for the control runs of test/attack.
const tellsMade = true
