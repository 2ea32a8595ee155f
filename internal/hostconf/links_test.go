package hostconf

import (
	"errors"
	"os"
	"path/filepath"
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

// The root of a host is reached by no link that somebody else could put another in the place of.
func TestRootByLinks(t *testing.T) {
	base := t.TempDir()
	ours, theirs := inTheirs(t, base)
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
