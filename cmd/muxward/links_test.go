package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/acts"
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
		ours, theirs := inTheirs(t, c.to)
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
