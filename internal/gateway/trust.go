package gateway

import (
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// trusted reports whether tmux itself may read what somebody wrote: formats,
// filters and all flags as they are. That takes every verb.
func trusted(full bool) bool { return full || teeth.Out(teeth.Guest) }

// foreign reports whether a name for a session that begins with a person's
// name and a slash would read as that person's.
func foreign(person bool) bool { return person && !teeth.Out(teeth.Guest) }

// sound says whether the layout that a command gives is one, to whoever gave
// it.
func sound(inv *tmux.Invocation, v tmux.Version) error {
	if teeth.Out(teeth.Guest) {
		return nil
	}
	return inv.CheckLayout(v)
}
