package way

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A path leads where the kernel says, and what is on its way is told of before it is gone through.
func TestWalk(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, err := range []error{
		os.MkdirAll(at("a", "b"), 0o755), os.WriteFile(at("a", "file"), nil, 0o644), os.Mkdir(at("c"), 0o755),
		os.Symlink("../a/b", at("c", "near")), os.Symlink(at("c"), at("far")), os.Symlink("round", at("round")),
		os.Symlink("nothing", at("dangling")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"/": "/", dir: dir, dir + "/": dir, at("a") + "//b/.": at("a", "b"), at("far") + "/near/../file": at("a", "file"),
		at("far", "near"): at("a", "b"), at("far") + "/..": dir,
	} {
		var seen []string
		got, err := Walk(path, func(at string, _ fs.FileInfo, _ string) error { seen = append(seen, at); return nil })
		if err != nil || got != want || seen[0] != "/" || !slices.Contains(seen, want) {
			t.Errorf("%s leads to %s, %v by %q, and should to %s", path, got, err, seen, want)
		}
		if real, err := filepath.EvalSymlinks(path); err != nil || real != got {
			t.Errorf("%s: %s, %v", path, real, err)
		}
	}
	var gone *fs.PathError
	if _, err := Walk(at("dangling"), func(string, fs.FileInfo, string) error { return nil }); !errors.As(err, &gone) || gone.Path != at("nothing") {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := Walk(at("round"), func(string, fs.FileInfo, string) error { return nil }); err == nil || !strings.Contains(err.Error(), "leads nowhere") {
		t.Errorf("round and round: %v", err)
	}
	no := errors.New("no")
	if _, err := Walk(at("far", "near"), func(at string, info fs.FileInfo, _ string) error {
		if info.Mode()&fs.ModeSymlink != 0 {
			return no
		}
		return nil
	}); !errors.Is(err, no) {
		t.Errorf("an error ends the way: %v", err)
	}
	t.Chdir(at("a"))
	if got, err := Walk("b", func(string, fs.FileInfo, string) error { return nil }); err != nil || got != at("a", "b") {
		t.Errorf("from here: %s, %v", got, err)
	}
}
