package keep

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Our directories are below no link that somebody else could put another in the place of.
func TestLinksAboveOurs(t *testing.T) {
	base := t.TempDir()
	ours, theirs := tmuxtest.Links(t, base)
	for _, o := range []Options{{Run: theirs + "/run", Doors: ours + "/d"}, {Run: ours + "/run", Doors: theirs + "/d"}} {
		if err := o.fill(); err == nil || !strings.Contains(err.Error(), "belongs to uid 4711") {
			t.Errorf("%s, %s: %v", o.Run, o.Doors, err)
		}
	}
	o := Options{Run: ours + "/run", Doors: ours + "/d", Tmux: "/bin/sh"}
	if err := o.fill(); err != nil || o.Run != base+"/run" || o.Doors != base+"/d" {
		t.Errorf("%s, %s: %v", o.Run, o.Doors, err)
	}
}
