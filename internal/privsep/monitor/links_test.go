package monitor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

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
		ours, theirs := tmuxtest.Links(t, c.to)
		not := func(err error) bool { return err != nil && strings.Contains(err.Error(), "belongs to uid 4711") }
		if err := c.take(ours); not(err) {
			t.Errorf("%s, by a link of ours: %v", what, err)
		}
		if err := c.take(theirs); !not(err) {
			t.Errorf("%s, by a link in somebody else's directory: %v", what, err)
		}
	}
}
