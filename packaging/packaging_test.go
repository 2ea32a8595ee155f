package packaging

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }

// Each file is there, and units start the muxward that they are made for.
func TestFiles(t *testing.T) {
	for name, text := range map[string]string{"PAM": PAM(), "Tmpfiles": Tmpfiles(), "Profile": Profile(), "Config": Config("mw"), "Config of root": Config("")} {
		if len(text) < 100 {
			t.Errorf("%s is %q", name, text)
		}
	}
	if n := len(Units()); n != 5 {
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
	known := regexp.MustCompile(`.*Unknown key.* 'DelegateSubgroup' .*ignoring\.\n`).ReplaceAllString(string(out), "") // from systemd 254 on
	if err != nil || strings.Contains(known, "Unknown") {
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

// Scripts that packages and people run have no mistakes that shellcheck knows.
func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		tmuxtest.Skip(t, "there is no shellcheck")
	}
	var scripts []string
	for _, dir := range []string{"nfpm", "../scripts", "."} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			at := filepath.Join(dir, e.Name())
			if text, err := os.ReadFile(at); err == nil && strings.HasPrefix(string(text), "#!/bin/sh\n") {
				scripts = append(scripts, at)
			}
		}
	}
	if len(scripts) < 8 {
		t.Fatalf("only %q are scripts", scripts)
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What comes behind a package removes nothing unless it is purged: not for another version,
// and not when the package goes. (make package-test has all of them run for real.)
func TestMaintainerScripts(t *testing.T) {
	for _, args := range [][]string{{"postremove", "remove"}, {"postremove", "upgrade", "2"}, {"postremove", "1"}, {"postinstall", "abort-upgrade"}} {
		// Without any program in PATH, whatever it did would fail.
		cmd := exec.Command("/bin/sh", append([]string{filepath.Join("nfpm", args[0])}, args[1:]...)...)
		cmd.Env = []string{"PATH=/nonexistent"}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// Purged, the account goes with what is its own, and stays with a state that is elsewhere: the next one that is
// made would have its number. Here with its places in a directory, and with programs that say what they are told.
func TestPurgeKeepsWhoseStateIsLeft(t *testing.T) {
	text, err := os.ReadFile("nfpm/postremove")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		config, ledger string
		kept           bool
	}{
		"a state where it is by default": {config: "account: muxward\nstate: %/var/lib/muxward\n", ledger: `{"item": {"state": "%/var/lib/muxward"}}`},
		"one that muxward.yaml names":    {config: "state: \"%/srv/mw\" # here\n", kept: true},
		"one that is written down":       {ledger: `{"made": [{"item": {"kind": "account", "state": "%/srv/mw"}}]}`, kept: true},
		"one that is not there":          {config: "state: %/srv/none\n"},
		"no configuration":               {},
	} {
		root := t.TempDir()
		for _, dir := range []string{"etc/muxward", "var/lib/muxward", "var/lib/muxward-host", "srv/mw", "bin", "proc/net", "run/muxward"} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		script := string(text)
		for _, at := range []string{"/etc/muxward", "/var/lib/muxward", "/run/muxward"} {
			script = strings.ReplaceAll(script, " "+at, " "+root+at)
		}
		for line := range strings.Lines(script) { // this may run as root
			left := regexp.MustCompile(regexp.QuoteMeta(root)+"/[a-z/-]*").ReplaceAllString(line, "")
			if strings.Contains(line, "rm -") && strings.Contains(left, "/") {
				t.Fatalf("it would be removed here: %s", line)
			}
		}
		for name, text := range map[string]string{"etc/muxward/muxward.yaml": c.config, "var/lib/muxward-host/ledger.json": c.ledger, "postremove": script,
			"bin/getent": "#!/bin/sh\n[ $1 = group ] || echo muxward:x:997:997:muxward:/nonexistent:/usr/sbin/nologin\n", "bin/stat": "#!/bin/sh\necho 997\n",
			// As of a file system that is mounted there, which install.md speaks of: purge ends well.
			"bin/rm":      "#!/bin/sh\n/bin/rm \"$@\"\ncase \"$*\" in */run/muxward) exit 1 ;; esac\n",
			"bin/userdel": "#!/bin/sh\necho removed >" + root + "/removed\n", "bin/groupdel": "#!/bin/sh\n"} {
			if err := tmuxtest.WriteProgram(filepath.Join(root, name), []byte(strings.ReplaceAll(text, "%/", root+"/")), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("/bin/sh", filepath.Join(root, "postremove"), "purge")
		cmd.Env = []string{"PATH=" + root + "/bin:" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		_, left := os.Lstat(filepath.Join(root, "etc/muxward"))
		_, removed := os.Lstat(filepath.Join(root, "removed"))
		if err != nil || left == nil || (removed != nil) != c.kept || strings.Contains(string(out), "whose it is") != c.kept {
			t.Errorf("%s: %v, the account: %v\n%s", what, err, removed, out)
		}
	}
}

// ansible reads the role.
func TestRole(t *testing.T) {
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		tmuxtest.Skip(t, "there is no ansible-playbook")
	}
	cmd := exec.Command("ansible-playbook", "--syntax-check", "-i", "localhost,", "ansible/site.yml")
	cmd.Env = append(os.Environ(), "ANSIBLE_HOME="+t.TempDir(), "ANSIBLE_LOCAL_TEMP="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The install script looks before it acts, puts everything in its place, and takes it away.
func TestInstall(t *testing.T) {
	from, prefix := t.TempDir(), filepath.Join(t.TempDir(), "usr")
	sums := ""
	for _, name := range []string{"muxward", "muxward-helper", "muxward-pane", "muxward-pam"} {
		text := []byte("#!/bin/sh\necho " + name + " 1.0 \"$@\"\n")
		if err := tmuxtest.WriteProgram(filepath.Join(from, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(text), name)
	}
	write := func(name, text string) string {
		at := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		return at
	}
	write("man/muxward.1", "a page")
	good, bad := write("sums", sums), write("bad", strings.Replace(sums, sums[:10], "0123456789", 1))
	run := func(code int, want string, args ...string) {
		t.Helper()
		cmd := exec.Command("./install", append([]string{"--prefix", prefix}, args...)...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", args, cmd.ProcessState.ExitCode(), code, want, out)
		}
	}
	files := func() (all []string) {
		_ = filepath.WalkDir(prefix, func(path string, d fs.DirEntry, err error) error { // "" if it is not there
			if err == nil && !d.IsDir() {
				all = append(all, strings.TrimPrefix(path, prefix+"/"))
			}
			return err
		})
		return all
	}
	run(2, "It fetches nothing", "--nonsense")
	run(1, "is not there", t.TempDir())
	run(1, "nothing was done", "--sums", bad, from)
	if got := files(); len(got) > 0 {
		t.Errorf("it has put %q there", got)
	}
	for range 2 {
		run(0, "installed muxward 1.0 in "+prefix, "--sums", good, from)
	}
	want := []string{"bin/muxward", "libexec/muxward-helper", "libexec/muxward-pam", "libexec/muxward-pane", "share/bash-completion/completions/muxward",
		"share/fish/vendor_completions.d/muxward.fish", "share/man/man1/muxward.1", "share/zsh/site-functions/_muxward"}
	if got := files(); !slices.Equal(got, want) {
		t.Errorf("it has put %q there", got)
	}
	run(0, "removed", "--remove")
	if got := files(); len(got) > 0 {
		t.Errorf("%q are left", got)
	}
}

// The example for cloud-init is YAML that says what it should, and nothing twice.
func TestCloudInit(t *testing.T) {
	text, err := os.ReadFile("cloud-init/user-data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Packages []string
		Runcmd   [][]string
	}
	if err := yaml.Unmarshal(text, &data); err != nil || !strings.HasPrefix(string(text), "#cloud-config\n") {
		t.Fatal(err)
	}
	if !slices.Contains(data.Packages, "muxward") || len(data.Runcmd) != 2 || data.Runcmd[0][1] != "setup" {
		t.Errorf("%+v", data)
	}
}
