package policy

import "github.com/muxward/muxward/internal/teeth"

// held reports whether a giver holds what they gave, as it was found out.
func held(holds bool) bool { return holds || teeth.Out(teeth.Chain) }
