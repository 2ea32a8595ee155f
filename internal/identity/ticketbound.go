package identity

import "github.com/muxward/muxward/internal/teeth"

// bound has a ticket taken only from below the sshd connection that it was made for.
func bound() bool { return !teeth.Out(teeth.Ticket) }
