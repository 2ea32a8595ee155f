package grants

import (
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// byPane reports whether something was given from inside a pane, where others may
// type, too.
func byPane(giver identity.Subject) bool { return giver.Inside != "" && !teeth.Out(teeth.Hand) }
