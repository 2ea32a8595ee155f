package executor

import "github.com/muxward/muxward/internal/teeth"

// confined: whoever is attached is shown the session that was decided; if their
// display or client is moved to another one, that is decided anew.
func confined() bool { return !teeth.Out(teeth.Moved) }
