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

// A list in a directory like /tmp may be somebody else's, who puts a link to a file of ours there between the look
// at the way and the opening: it is not followed.
func TestListThatBecomesALink(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "what is others' is root's to make")
	}
	dir := t.TempDir()
	if err := errors.Join(mkdir(dir+"/sticky", os.ModeSticky|0o777, 0, 0), os.WriteFile(dir+"/empty", nil, 0o600),
		os.WriteFile(dir+"/sticky/list", nil, 0o600), os.Symlink("../empty", dir+"/sticky/link"),
		os.Lchown(dir+"/sticky/list", 4242, 4242), os.Lchown(dir+"/sticky/link", 4242, 4242)); err != nil {
		t.Fatal(err)
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, dir+"/sticky/list", unix.AT_FDCWD, dir+"/sticky/link", unix.RENAME_EXCHANGE)
			}
		}
	}()
	taken := 0
	for range 5000 {
		if _, err := readKept(dir+"/sticky/list", 10, kept); err == nil {
			taken++
		}
	}
	close(done)
	<-over
	if taken > 0 {
		t.Errorf("it was taken %d times", taken)
	}
}
