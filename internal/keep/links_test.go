package keep

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// inTheirs makes a link to something in a directory of ours, and one in a directory of somebody else's, who could have it
// lead elsewhere.
func inTheirs(t *testing.T, to string) (ours, theirs string) {
	t.Helper()
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "gives a directory to an account, which takes root")
	}
	dir := t.TempDir()
	ours, theirs = filepath.Join(dir, "ours", "link"), filepath.Join(dir, "theirs", "link")
	for _, at := range []string{ours, theirs} {
		if err := errors.Join(os.Mkdir(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Dir(theirs), 4711, 4711); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// Our directories are below no link that somebody else could put another in the place of.
func TestLinksAboveOurs(t *testing.T) {
	base := t.TempDir()
	ours, theirs := inTheirs(t, base)
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
