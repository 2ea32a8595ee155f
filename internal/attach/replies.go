package attach

import "github.com/muxward/muxward/internal/teeth"

// dropReplies: what a terminal says by itself is not typed.
func dropReplies() bool { return !teeth.Out(teeth.Replies) }
