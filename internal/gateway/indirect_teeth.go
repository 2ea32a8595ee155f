//go:build teeth_hand

package gateway

import "github.com/muxward/muxward/internal/tmux"

// chosenThere takes every word for the asker's. It is for the control runs of test/attack.
func chosenThere(*tmux.Invocation) bool { return false }
