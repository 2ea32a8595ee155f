package keep

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestLockByName(t *testing.T) {
	dir, err := openDir(tmuxtest.Dir(t, tmuxtest.Account{}))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	first, err := lockByName("x", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockByName("x", dir); !errors.Is(err, ErrInUse) {
		t.Errorf("twice: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockByName("x", dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func TestRootsRefused(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := errors.Join(os.Mkdir(dir+"/open", 0o777), os.Chmod(dir+"/open", 0o777), os.Mkdir(dir+"/real", 0o700),
		os.Symlink(dir+"/real", dir+"/link"), os.WriteFile(dir+"/file", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"others could replace it": dir + "/open/r",
		"a link":                  dir + "/link",
		"a file":                  dir + "/file",
		"relative":                "r",
		"too long":                dir + "/" + strings.Repeat("x", 100),
	} {
		opt := Options{Run: path, Doors: path, Tmux: "/usr/bin/tmux", Account: Listed}
		if k, err := New(opt); err == nil {
			t.Errorf("%s was taken", what)
			_ = k.Close()
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	if err := errors.Join(os.Mkdir(dir+"/sticky", 0o700), os.Chmod(dir+"/sticky", os.ModeSticky|0o777)); err != nil {
		t.Fatal(err)
	}
	if r, err := makeRoot(dir+"/sticky/r", 0o711); err != nil {
		t.Errorf("in a directory like /tmp: %v", err)
	} else {
		_ = r.Close()
	}
	if asRoot() {
		if err := errors.Join(os.Mkdir(dir+"/theirs", 0o755), os.Chown(dir+"/theirs", otherUID, otherUID)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"/theirs", "/theirs/r"} {
			if _, err := New(Options{Run: dir + p, Doors: dir + p, Tmux: "/usr/bin/tmux", Root: true, Account: Listed}); err == nil {
				t.Errorf("%s was taken", p)
			}
		}
	} else if _, err := New(Options{Run: dir + "/r", Doors: dir + "/r", Tmux: "/usr/bin/tmux", Root: true, Account: Listed}); err == nil {
		t.Error("root mode without root")
	}
	elsewhere := "/dev/shm/" + randomHex(8)
	defer os.RemoveAll(elsewhere)
	if _, err := New(Options{Run: dir + "/r", Doors: elsewhere, Tmux: "/usr/bin/tmux"}); err == nil {
		t.Error("two file systems")
	}
}
