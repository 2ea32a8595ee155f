package main

import (
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/privsep"
)

// The helper looks for the mark that `muxward attach` leaves.
func TestForcedMark(t *testing.T) {
	if privsep.ForcedMark != identity.ForcedMark {
		t.Errorf("%s is not %s", privsep.ForcedMark, identity.ForcedMark)
	}
}
