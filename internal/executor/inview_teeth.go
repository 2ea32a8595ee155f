//go:build teeth_view

package executor

import "github.com/muxward/muxward/internal/tmux"

// inView, see inview.go.
func inView(*tmux.Snapshot, place, tmux.PaneID) bool { return true }
