//go:build !teeth_queue

package attach

// maxQueue is how far a terminal may be behind before frames are dropped. It
// is also what a person who comes back sees of the past.
//
// The build tag teeth_queue takes the bound away, for the control runs of
// test/attack.
const maxQueue = 256 << 10
