package gateway

import "github.com/muxward/muxward/internal/teeth"

// neverBack: a clock that is set back is not believed.
func neverBack() bool { return !teeth.Out(teeth.Clock) }
