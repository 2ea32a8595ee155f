//go:build !teeth_relay

package executor

import "github.com/muxward/muxward/internal/tmux/wire"

// asked reports whether the person's own command asked for the file that a
// tmux server wants from their client.
//
// The build tag teeth_relay takes this check out, for the control runs of
// test/attack.
func (r *relay) asked(m *wire.ReadOpen) bool { return !r.waiting && r.named(m) }
