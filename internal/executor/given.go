package executor

import "github.com/muxward/muxward/internal/teeth"

// viewed: a picture is given to a terminal only while all that is in it may be
// viewed.
func viewed() bool { return !teeth.Out(teeth.Given) }
