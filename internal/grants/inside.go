//go:build !teeth_hand

package grants

import "github.com/muxward/muxward/internal/identity"

// byPane reports whether something was given from inside a pane, where others may
// type, too.
//
// The build tag teeth_hand takes this check out, for the control runs of
// test/attack.
func byPane(giver identity.Subject) bool { return giver.Inside != "" }
