//go:build teeth_filter

package attach

// unfiltered takes the filter out. It is for the control runs of test/attack.
const unfiltered = true
