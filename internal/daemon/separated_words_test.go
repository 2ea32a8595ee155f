package daemon

import (
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/privsep"
)

// Rooms that may not know each other have a word in common: in each it is the same.
func TestWordsInCommon(t *testing.T) {
	if identity.ForcedMark != privsep.ForcedMark || identity.Nobody != pam.Nobody {
		t.Error(identity.ForcedMark, privsep.ForcedMark, identity.Nobody, pam.Nobody)
	}
}
