package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }

// Each file is there, and units start the muxward that they are made for.
func TestFiles(t *testing.T) {
	for name, text := range map[string]string{"PAM": PAM(), "Tmpfiles": Tmpfiles(), "Profile": Profile(), "Config": Config()} {
		if len(text) < 100 {
			t.Errorf("%s is %q", name, text)
		}
	}
	if n := len(Units()); n != 4 {
		t.Errorf("%d units", n)
	}
	for _, name := range Units() {
		text, err := Unit(name, "/opt/x/muxward")
		if err != nil || strings.Contains(text, Program) || strings.HasSuffix(name, ".service") != strings.Contains(text, "ExecStart=/opt/x/muxward ") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	for _, at := range []string{"", "muxward", "/a b", "/a\nExecStart=/b", "/a%n", "/a/../b", "/a$b"} {
		if _, err := Unit("muxward.service", at); err == nil {
			t.Errorf("%q gets into a unit", at)
		}
	}
}

// systemd finds no mistake in the units.
func TestUnitsHold(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		tmuxtest.Skip(t, "there is no systemd-analyze")
	}
	dir := t.TempDir()
	var all []string
	for _, name := range Units() {
		text, err := Unit(name, "/bin/true")
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		all = append(all, at)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, all...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "Unknown") {
		t.Errorf("%v\n%s", err, out)
	}
}

// systemd's cleaner leaves the doors alone, and without the file it does not.
func TestCleaner(t *testing.T) {
	if _, err := exec.LookPath("systemd-tmpfiles"); err != nil {
		tmuxtest.Skip(t, "there is no systemd-tmpfiles")
	}
	for _, with := range []bool{true, false} {
		root := t.TempDir()
		write := func(path, text string) {
			if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("touch", "-d", "2020-01-01", root+path).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		write("/run/muxward/doors/socket", "")
		write("/etc/tmpfiles.d/zz.conf", "d /run 0755 - - mM:1d\n")
		if with {
			write("/etc/tmpfiles.d/muxward.conf", Tmpfiles())
		}
		if out, err := exec.Command("systemd-tmpfiles", "--root="+root, "--clean").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, err := fs.Stat(os.DirFS(root), "run/muxward/doors/socket")
		if with != (err == nil) {
			t.Errorf("with the file %v: %v", with, err)
		}
	}
}
