//go:build teeth_budget

package executor

// typedRate is no bound. It is for the control runs of test/attack.
const typedRate = 1 << 40
