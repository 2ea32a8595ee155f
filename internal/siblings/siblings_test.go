package siblings

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReal: a path leads where root's links say, and through nothing of anybody else's.
func TestReal(t *testing.T) {
	if os.Geteuid() != 0 {
		return // there is nobody else
	}
	dir := t.TempDir()
	for at := dir; at != "/tmp" && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(os.Mkdir(at("ours"), 0o755))
	must(os.Mkdir(at("theirs"), 0o755))
	must(os.WriteFile(at("ours/secret"), []byte("x"), 0o600))
	must(os.Symlink("ours/secret", at("link")))
	must(os.Symlink("loop", at("loop")))
	must(os.Symlink(at("ours/secret"), at("theirs/secret")))
	must(os.Symlink(at("theirs"), at("through")))
	must(os.Symlink(at("ours/secret"), at("mallory")))
	must(os.Lchown(at("mallory"), 4711, 4711))
	must(os.Chown(at("theirs"), 4711, 4711))
	for name, good := range map[string]bool{
		"ours/secret": true, "link": true, "ours/../link": true, "loop": false, "none": false,
		"theirs/secret": false, "theirs/../ours/secret": false, "through/secret": false, "mallory": false,
	} {
		real, err := Real(dir + "/" + name)
		if (err == nil) != good || good && real != at("ours/secret") {
			t.Errorf("%s: %q, %v", name, real, err)
		}
	}
	must(os.Mkdir(at("sticky"), 0o755))
	must(os.Chmod(at("sticky"), os.ModeSticky|0o777))
	must(os.WriteFile(at("sticky/ours"), nil, 0o600))
	for name, good := range map[string]bool{
		"ours/secret": true, "link": false, "ours/../ours/secret": true, "theirs/secret": false, "theirs/../ours/secret": false,
		"sticky": false, "sticky/ours": true, "none": false,
	} {
		if err := CheckPath(dir + "/" + name); (err == nil) != good {
			t.Errorf("the path %s: %v", name, err)
		}
	}
	for name, good := range map[string]bool{"ours/none": true, "sticky/none": true, "theirs/none": false, "through/none": false} {
		if err := CheckAbove(dir + "/" + name); (err == nil) != good {
			t.Errorf("above %s: %v", name, err)
		}
	}
	must(os.Mkdir(at("bin"), 0o755))
	must(os.WriteFile(at("ours/program"), nil, 0o755))
	must(os.Symlink("../ours/program", at("bin/ours")))
	must(os.Symlink("../through/program", at("bin/theirs")))
	must(os.Symlink(at("ours/program"), at("theirs/program")))
	for name, good := range map[string]bool{"ours": true, "theirs": false} {
		if real, err := Beside(at("bin/muxward"), name); (err == nil) != good || good && real != at("ours/program") {
			t.Errorf("the program %s: %q, %v", name, real, err)
		}
	}
	t.Chdir(at("theirs"))
	must(os.Mkdir("in", 0o755))
	t.Chdir("in")
	if err := CheckPath("."); err == nil {
		t.Error("a path that is not whole was taken, although somebody else can change what is above")
	}
	if _, err := Real("secret"); err == nil {
		t.Error("a path that is not whole was taken")
	}
}
