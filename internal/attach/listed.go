//go:build !teeth_filter

package attach

// unfiltered lets everything through that tmux draws.
//
// The build tag teeth_filter turns it on, for the control runs of test/attack.
const unfiltered = false
