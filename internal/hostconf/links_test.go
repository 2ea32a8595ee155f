package hostconf

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The root of a host is reached by no link that somebody else could put another in the place of.
func TestRootByLinks(t *testing.T) {
	base := t.TempDir()
	ours, theirs := tmuxtest.Links(t, base)
	x, err := openTree(ours)
	if err != nil || x.path != base {
		t.Fatalf("by a link of ours: %v", err)
	}
	x.close()
	if x, err := openTree(theirs); err == nil {
		x.close()
		t.Error("a link in somebody else's directory is taken")
	}
}
