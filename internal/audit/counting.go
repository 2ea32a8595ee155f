package audit

import "github.com/muxward/muxward/internal/teeth"

// counting has refused tries counted when there are many.
func counting() bool { return !teeth.Out(teeth.Flood) }
