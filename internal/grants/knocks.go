package grants

import "github.com/muxward/muxward/internal/teeth"

// knocks reports whether somebody has to be let in by others.
func knocks(by bool) bool { return by && !teeth.Out(teeth.Knock) }
