//go:build !teeth_mine

package gateway

// ownDefault: a command that names no client means the asker's own.
//
// The build tag teeth_mine takes this check out, for the control runs of
// test/attack.
const ownDefault = true
