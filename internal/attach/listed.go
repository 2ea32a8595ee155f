package attach

import "github.com/muxward/muxward/internal/teeth"

// unfiltered lets everything through that tmux draws.
func unfiltered() bool { return teeth.Out(teeth.Filter) }
