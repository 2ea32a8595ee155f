//go:build !teeth_looked

package executor

// looked: each picture of what somebody looks back at is shown only if they may
// look back at that moment.
//
// The build tag teeth_looked takes this check out, for the control runs of
// test/attack.
const looked = true
