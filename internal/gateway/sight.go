//go:build !teeth_visible

package gateway

import "github.com/muxward/muxward/internal/access"

// sees reports whether somebody who holds these verbs on an object may know
// of it.
//
// The build tag teeth_visible takes this check out, for the control runs of
// test/attack.
func sees(held access.VerbSet) bool { return held != 0 }
