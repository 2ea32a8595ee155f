//go:build teeth_declared

package policy

import "github.com/muxward/muxward/internal/access"

// capped has declarations give whatever they say. It is for the control runs of
// test/attack.
func capped(declared, _ access.VerbSet) access.VerbSet { return declared }
