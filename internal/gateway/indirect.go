package gateway

import (
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// chosenThere reports whether the server at hand has said a part of a command.
func chosenThere(inv *tmux.Invocation) bool { return inv.Indirect && !teeth.Out(teeth.Hand) }
