package monitor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/config"
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

// What is root's is not taken by a link that somebody else could put another in the place of.
func TestLinksInOthersDirectories(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "muxward.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		to   string
		take func(path string) error
	}{
		"the configuration": {file, func(path string) error {
			_, err := settings(config.Config{}, path)
			return err
		}},
		"above the state directory": {base, func(path string) error {
			s := &setting{config: config.Config{State: path + "/state"}}
			err := s.realState()
			if err == nil && s.config.State != base+"/state" {
				t.Errorf("it is at %s", s.config.State)
			}
			return err
		}},
	} {
		ours, theirs := inTheirs(t, c.to)
		not := func(err error) bool { return err != nil && strings.Contains(err.Error(), "belongs to uid 4711") }
		if err := c.take(ours); not(err) {
			t.Errorf("%s, by a link of ours: %v", what, err)
		}
		if err := c.take(theirs); !not(err) {
			t.Errorf("%s, by a link in somebody else's directory: %v", what, err)
		}
	}
}
