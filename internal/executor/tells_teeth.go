//go:build teeth_made

package executor

// tellsMade is off: the log says what was asked for, and not what came of it. It is
// for the control runs of test/attack.
const tellsMade = false
