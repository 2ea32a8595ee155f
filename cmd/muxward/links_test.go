package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What root believes by its path is believed by no link that somebody else could put another in the place of, wherever
// that leads now.
func TestLinksInOthersDirectories(t *testing.T) {
	base := t.TempDir()
	secrets, state, file := filepath.Join(base, "secrets"), filepath.Join(base, "state"), filepath.Join(base, "muxward.yaml")
	for _, dir := range []string{secrets, state, state + "-keys"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		to   string
		take func(path string) error
	}{
		"tmux, of who comes by a forced command": {"/bin/sh", func(path string) error {
			_, _, _, err := clientOf(config.Serving{Tmux: path, Doors: "/doors"}, acts.Forced{})
			return err
		}},
		"the configuration": {file, func(path string) error {
			_, err := rootsConfig(config.Serving{File: path})
			return err
		}},
		"the directory of secrets": {secrets, func(path string) error {
			f, err := openTOTPDir(path)
			if err == nil {
				err = f.Close()
			}
			return err
		}},
		"the state directory": {state, func(path string) error {
			at, err := journalDir(path, 0)
			if err == nil && at != state+"-keys" {
				t.Errorf("the journal is in %s", at)
			}
			return err
		}},
	} {
		ours, theirs := tmuxtest.Links(t, c.to)
		if c.to == state {
			if err := os.Chown(state, 4711, 4711); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.take(ours); err != nil {
			t.Errorf("%s, by a link of ours: %v", what, err)
		}
		if err := c.take(theirs); err == nil {
			t.Errorf("%s, by a link in somebody else's directory, is taken", what)
		}
	}
}
