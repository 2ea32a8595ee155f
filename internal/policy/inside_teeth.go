//go:build teeth_hand

package policy

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// byPane lets panes govern. It is for the control runs of
// test/attack.
func byPane(identity.Subject, access.Verb) bool { return false }
