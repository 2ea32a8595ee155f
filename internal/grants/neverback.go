//go:build !teeth_clock

package grants

// neverBack: a clock that was set back while muxward was down is not believed.
//
// The build tag teeth_clock takes this check out, for the control runs of
// test/attack.
const neverBack = true
