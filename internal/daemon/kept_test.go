package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Who can change a directory on the way to a list can put another file of ours in its place, such as an empty
// one in that of what is revoked: the list is not taken.
func TestListInADirectoryOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(dir string) error
		want   string // "" if it is taken
	}{
		"ours alone":        {func(string) error { return nil }, ""},
		"for everybody":     {func(dir string) error { return os.Chmod(dir, 0o777) }, "/etc may be written by others"},
		"like /tmp":         {func(dir string) error { return os.Chmod(dir, os.ModeSticky|0o777) }, ""},
		"by a link of ours": {func(dir string) error { return errors.Join(os.Rename(dir, dir+"2"), os.Symlink("etc2", dir)) }, ""},
		"through everybody's": {func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink("etc2", dir), os.Chmod(dir+"2", 0o777))
		}, "/etc2 may be written by others"},
		"for a group": {func(dir string) error { return errors.Join(os.Chown(dir, -1, 4242), unix.Chmod(dir, 0o2775)) }, "/etc may be written by others"},
		"another's":   {func(dir string) error { return os.Chown(dir, 4242, -1) }, "/etc belongs to uid 4242"},
		"another's link": {func(dir string) error {
			return errors.Join(os.Rename(dir+"/list", dir+"/other"), os.Symlink("other", dir+"/list"), os.Lchown(dir+"/list", 4242, -1))
		}, "list is a symbolic link of uid 4242's"},
	} {
		if os.Geteuid() != 0 && strings.Contains(name+c.want, "4242") || os.Geteuid() != 0 && name == "for a group" {
			tmuxtest.Missing(t, "%s: that is root's to make", name)
			continue
		}
		dir := t.TempDir() + "/etc"
		if err := errors.Join(mkdir(dir, 0o755, os.Geteuid(), os.Getegid()), os.WriteFile(dir+"/list", []byte("x"), 0o600), c.change(dir)); err != nil {
			t.Fatal(name, err)
		}
		for what, read := range map[string]func() error{
			"a list":   func() error { _, err := readKept(dir+"/list", 10, kept); return err },
			"a secret": func() error { _, err := readKept(dir+"/list", 10, secret); return err },
		} {
			if err := read(); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s in a directory %s: %v, want %q", what, name, err, c.want)
			}
		}
		if c.want == "" || strings.Contains(c.want, "list") {
			continue
		}
		s := &sshDoor{config: config.SSH{Keys: dir + "/keys"}}
		if err := os.Mkdir(dir+"/keys", 0o755); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := s.keysOf(nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("the directory of keys in one %s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := readKept("/dev/null", 10, kept); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("what is no file: %v", err)
	}
	dir := t.TempDir() + "/etc"
	if err := errors.Join(mkdir(dir, 0o775, os.Geteuid(), os.Getegid()), os.WriteFile(dir+"/list", []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	mine := accounts.System().Alone()(uint32(os.Geteuid()), uint32(os.Getegid()))
	if _, err := readKept(dir+"/list", 10, kept); (err == nil) != mine {
		t.Errorf("in a directory of our group, which is ours alone (%v): %v", mine, err)
	}
}
