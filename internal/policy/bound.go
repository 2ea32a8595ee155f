package policy

import "github.com/muxward/muxward/internal/teeth"

// bound reports whether somebody comes with the key that a grant is bound to, as it
// was found out.
func bound(same bool) bool { return same || teeth.Out(teeth.Chain) }
