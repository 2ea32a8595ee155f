package gateway

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// sees reports whether somebody who holds these verbs on an object may know
// of it.
func sees(held access.VerbSet) bool { return held != 0 || teeth.Out(teeth.Visible) }
