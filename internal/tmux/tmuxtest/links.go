package tmuxtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Links makes a link to something in a directory of ours, and one in a directory of somebody else's, who could have it
// lead elsewhere.
func Links(t testing.TB, to string) (ours, theirs string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "gives a directory to an account, which takes root")
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
