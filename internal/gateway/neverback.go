//go:build !teeth_clock

package gateway

// neverBack: a clock that is set back is not believed.
//
// The build tag teeth_clock takes this check out, for the control runs of
// test/attack.
const neverBack = true
