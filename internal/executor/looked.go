package executor

import "github.com/muxward/muxward/internal/teeth"

// looked: each picture of what somebody looks back at is shown only if they may
// look back at that moment.
func looked() bool { return !teeth.Out(teeth.Looked) }
