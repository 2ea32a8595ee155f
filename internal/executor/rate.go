//go:build !teeth_budget

package executor

// typedRate is what a person may go on to spend each second.
//
// The build tag teeth_budget takes the bound away, for the control runs of
// test/attack.
const typedRate = 512 << 10
