package identity

import "github.com/muxward/muxward/internal/teeth"

// once has a ticket taken once.
func once() bool { return !teeth.Out(teeth.OnceTicket) }
