//go:build !teeth_hand

package gateway

import "github.com/muxward/muxward/internal/tmux"

// chosenThere reports whether the server at hand has said a part of a command.
//
// The build tag teeth_hand takes this check out, for the control runs of test/attack.
func chosenThere(inv *tmux.Invocation) bool { return inv.Indirect }
