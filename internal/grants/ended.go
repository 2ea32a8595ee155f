//go:build !teeth_replay

package grants

// ends: an invite opens nothing once it is used up, over or revoked.
//
// The build tag teeth_replay takes this out, for the control runs of test/attack.
const ends = true
