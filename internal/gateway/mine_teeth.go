//go:build teeth_mine

package gateway

// ownDefault is off: tmux chooses a client. It is for the control runs of
// test/attack.
const ownDefault = false
