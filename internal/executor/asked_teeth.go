//go:build teeth_relay

package executor

import "github.com/muxward/muxward/internal/tmux/wire"

// asked believes the server. It is for the control runs of test/attack.
func (r *relay) asked(*wire.ReadOpen) bool { return r.plan != nil }
