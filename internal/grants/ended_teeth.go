//go:build teeth_chain

package grants

// ends is off: an invite goes on for ever. It is for the control runs of test/attack.
const ends = false
