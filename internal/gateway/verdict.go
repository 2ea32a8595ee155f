package gateway

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// judged gives a decision as the denials and the policy made it.
func judged(d access.Decision) access.Decision {
	d.Allow = d.Allow || teeth.Out(teeth.Decide)
	return d
}
