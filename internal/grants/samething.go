package grants

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// sameThing reports whether what a request is about is what its ids name now: by the
// same name, at the same place, in the same life of the tmux server.
func sameThing(asked, now access.Object) bool {
	return asked.Key() == now.Key() || teeth.Out(teeth.Same)
}
