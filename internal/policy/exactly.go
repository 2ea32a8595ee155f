package policy

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// exactly reports whether an address counts only where it is named itself.
func exactly(r *access.Reach) bool { return r.Special() && !teeth.Out(teeth.Reach) }
