//go:build !teeth_same

package grants

import "github.com/muxward/muxward/internal/access"

// sameThing reports whether what a request is about is what its ids name now: by the
// same name, at the same place, in the same life of the tmux server.
//
// The build tag teeth_same takes this check out, for the control runs of
// test/attack.
func sameThing(asked, now access.Object) bool { return asked.Key() == now.Key() }
