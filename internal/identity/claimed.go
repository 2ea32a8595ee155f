package identity

import (
	"slices"

	"github.com/muxward/muxward/internal/teeth"
)

// claimed reports whether a server is believed which processes and terminals are those of its panes.
func claimed() bool { return teeth.Out(teeth.Claimed) }

// said finds the pane that a server says a process has begun in, if it is believed, else -1.
func (g *guarded) said(pid int) int {
	if !claimed() {
		return -1
	}
	return slices.IndexFunc(g.panes, func(p PaneProc) bool { return p.PID == pid })
}
