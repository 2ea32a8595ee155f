package executor

import "github.com/muxward/muxward/internal/teeth"

// asked reports whether the person's own command named the file that a
// tmux server wants their client to open.
func (r *relay) asked(named bool) bool { return named || r.plan != nil && teeth.Out(teeth.Relay) }
