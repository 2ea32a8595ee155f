//go:build teeth_replay

package grants

// ends is off: an invite goes on for ever. It is for the control runs of test/attack.
const ends = false
