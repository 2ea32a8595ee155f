package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// An account's file is read if nobody else could have written it, and through no
// symbolic link below its home.
func TestReadAccountFile(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(home, dir, file string) error
		want   string // "" if it is read
	}{
		"as it should be":     {func(_, _, _ string) error { return nil }, ""},
		"a home of everybody": {func(home, _, _ string) error { return os.Chmod(home, 0o777) }, "may be written by others"},
		"a group's directory": {func(_, dir, _ string) error { return os.Chmod(dir, 0o770) }, "may be written by others"},
		"a group's file":      {func(_, _, file string) error { return os.Chmod(file, 0o620) }, "may be written by others"},
		"no file":             {func(_, _, file string) error { return os.Remove(file) }, "no such file"},
		"a directory":         {func(_, _, file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) }, "is no file"},
		"a pipe":              {func(_, _, file string) error { return errors.Join(os.Remove(file), unix.Mkfifo(file, 0o600)) }, "is no file"},
		"a link": {func(home, _, file string) error {
			return errors.Join(os.Rename(file, home+"/keys"), os.Symlink(home+"/keys", file))
		}, "symbolic link"},
		"a linked directory": {func(home, dir, _ string) error {
			return errors.Join(os.Rename(dir, home+"/keys"), os.Symlink(home+"/keys", dir))
		}, "symbolic link"},
		"too much": {func(_, _, file string) error { return os.Truncate(file, maxKeysFile+1) }, "more than"},
		"another's": {func(_, _, file string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(file, 0o602) // only root can give a file away
			}
			return os.Chown(file, 4321, -1)
		}, ""},
	} {
		home := filepath.Join(t.TempDir(), "home")
		dir := filepath.Join(home, ".ssh")
		file := filepath.Join(dir, "authorized_keys")
		must(os.MkdirAll(dir, 0o700))
		must(os.WriteFile(file, []byte("keys"), 0o600))
		must(c.change(home, dir, file))
		if name == "another's" {
			c.want = "belongs to uid 4321"
			if os.Geteuid() != 0 {
				c.want = "may be written by others"
			}
		}
		data, err := readAccountFile(identity.Account{Home: home, UID: uint32(os.Geteuid())})
		switch {
		case c.want == "" && (err != nil || string(data) != "keys"):
			t.Errorf("%s: %q, %v", name, data, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if name == "no file" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reading that does not return is the only one of its file.
func TestAccountFileThatDoesNotAnswer(t *testing.T) {
	home := t.TempDir()
	a := &accountKeys{
		account: func(context.Context, string) (identity.Account, error) { return identity.Account{Home: home}, nil },
		busy:    map[string]bool{filepath.Join(home, ".ssh", "authorized_keys"): true},
	}
	if f := a.file(t.Context(), "alice"); !errors.Is(f.err, errSlowHome) {
		t.Errorf("%+v", f)
	}
}
