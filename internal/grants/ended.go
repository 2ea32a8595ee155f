package grants

import "github.com/muxward/muxward/internal/teeth"

// ends: an invite opens nothing once it is used up, over or revoked.
func ends() bool { return !teeth.Out(teeth.Chain) }
