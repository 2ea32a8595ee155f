//go:build teeth_queue

package attach

// maxQueue is no bound. It is for the control runs of test/attack.
const maxQueue = 1 << 40
