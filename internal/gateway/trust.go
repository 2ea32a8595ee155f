//go:build !teeth_guest

package gateway

// trusted reports whether tmux itself may read what somebody wrote: formats,
// filters and all flags as they are. That takes every verb.
//
// The build tag teeth_guest trusts everybody, for the control runs of
// test/attack.
func trusted(full bool) bool { return full }

// foreign reports whether a name for a session that begins with a person's
// name and a slash would read as that person's.
func foreign(person bool) bool { return person }
