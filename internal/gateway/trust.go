//go:build !teeth_guest

package gateway

import "github.com/muxward/muxward/internal/tmux"

// trusted reports whether tmux itself may read what somebody wrote: formats,
// filters and all flags as they are. That takes every verb.
//
// The build tag teeth_guest trusts everybody, for the control runs of
// test/attack.
func trusted(full bool) bool { return full }

// foreign reports whether a name for a session that begins with a person's
// name and a slash would read as that person's.
func foreign(person bool) bool { return person }

// sound says whether the layout that a command gives is one, to whoever gave
// it.
func sound(inv *tmux.Invocation, v tmux.Version) error { return inv.CheckLayout(v) }
