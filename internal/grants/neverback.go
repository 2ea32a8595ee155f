package grants

import "github.com/muxward/muxward/internal/teeth"

// neverBack: a clock that was set back while muxward was down is not believed.
func neverBack() bool { return !teeth.Out(teeth.Clock) }
