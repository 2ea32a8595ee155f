package daemon

import (
	"testing"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/reach"
)

// Both who tell that all has ended say the same.
func TestReachOver(t *testing.T) {
	if keep.ReachOver != reach.Over {
		t.Errorf("%q and %q", keep.ReachOver, reach.Over)
	}
}
