//go:build !teeth_given

package executor

// viewed: a picture is given to a terminal only while all that is in it may be
// viewed.
//
// The build tag teeth_given takes this check out, for the control runs of test/attack.
const viewed = true
