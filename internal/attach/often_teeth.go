//go:build teeth_resize

package attach

// resizeEvery is no time at all. It is for the control runs of test/attack.
const resizeEvery = 0
