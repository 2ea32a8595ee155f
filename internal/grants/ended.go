//go:build !teeth_chain

package grants

// ends: an invite opens nothing once it is used up, over or revoked.
//
// The build tag teeth_chain takes this out, as all that bounds what is given: it is one
// build for the control runs of test/attack, and each build takes long.
const ends = true
