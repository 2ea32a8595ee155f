package attack

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// tree is what stands for a host that root prepares for muxward.
type tree struct {
	t      *testing.T
	root   string
	victim string // a directory of root's elsewhere, that nobody else may write to
}

func newTree(t *testing.T) *tree {
	t.Helper()
	tmuxtest.As(t, stranger) // skips where there are no accounts
	base := tmuxtest.Dir(t, tmuxtest.Account{})
	x := &tree{t: t, root: base + "/root", victim: base + "/victim"}
	for _, dir := range []string{"/etc/pam.d", "/etc/tmpfiles.d", "/usr"} {
		x.must(os.MkdirAll(x.root+dir, 0o755))
	}
	x.must(os.Mkdir(x.victim, 0o700))
	for name, text := range map[string]string{
		"passwd": "root:x:0:0::/root:/bin/sh\n", "group": "root:x:0:\n", "shadow": "", "gshadow": "", "pam.d/common-account": "",
		"login.defs": "SYS_UID_MAX 999\nSYS_GID_MAX 999\n",
	} {
		x.must(os.WriteFile(x.root+"/etc/"+name, []byte(text), 0o644))
	}
	return x
}

func (x *tree) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// own gives a directory to mallory.
func (x *tree) own(path string) {
	x.t.Helper()
	m := tmuxtest.As(x.t, stranger)
	x.must(os.MkdirAll(x.root+path, 0o755))
	x.must(os.Chown(x.root+path, int(m.UID), int(m.GID)))
}

// mallory runs a line of a shell as the stranger.
func (x *tree) mallory(line string) error {
	_, err := tmuxtest.Output(tmuxtest.As(x.t, stranger).Command("sh", "-c", line))
	return err
}

// setup runs muxward setup as root, of a build for control runs if it names one.
func (x *tree) setup(build string) (string, error) {
	x.t.Helper()
	cmd := tmuxtest.Account{}.Command(host.Build(x.t, build), "setup", "--root", x.root)
	cmd.Env = append(cmd.Env, host.Without(build)...)
	out, err := tmuxtest.Output(cmd)
	if err != nil {
		out += err.Error()
	}
	return out, err
}

// inForce is an error unless root has taken a configuration for its own that has a line.
func (x *tree) inForce(line string) error {
	at := x.root + "/etc/muxward/muxward.yaml"
	text, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	x.must(unix.Stat(at, &st))
	if st.Uid != 0 || !strings.Contains(string(text), line) {
		return fmt.Errorf("it is %d's, and says %q", st.Uid, text)
	}
	return nil
}

// files lists all that is in a directory.
func (x *tree) files(dir string) string {
	x.t.Helper()
	var all []string
	x.must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return strings.Join(all, "\n")
}

// There is one directory on the way to where setup writes that is mallory's, or that
// everybody may write to. She waits there for root: with a symlink, so that root
// writes where she may not, or to put her own file in the place of root's. Or what she has
// written lies there already, where root keeps what people have written. setup says
// what it is, and does nothing at all. In the control run, without the check, root writes for
// her, runs a unit of hers, or takes her configuration for its own.
func TestSetupPlanted(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(x *tree)
		then  func(x *tree) error // nil: the attack has succeeded
		where string
	}{
		{"symlink in her directory", func(x *tree) {
			x.own("/etc/systemd")
			x.must(x.mallory("ln -s " + x.victim + " " + x.root + "/etc/systemd/system"))
		}, func(x *tree) error { _, err := os.Lstat(x.victim + "/muxward.service"); return err }, "/etc/systemd"},
		{"symlink in everybody's directory", func(x *tree) {
			x.must(os.Mkdir(x.root+"/etc/systemd", 0))
			x.must(unix.Chmod(x.root+"/etc/systemd", 0o1777))
			x.must(x.mallory("ln -s " + x.victim + " " + x.root + "/etc/systemd/system"))
		}, func(x *tree) error { _, err := os.Lstat(x.victim + "/muxward.service"); return err }, "/etc/systemd/system is a symlink"},
		{"her directory", func(x *tree) { x.own("/etc/systemd/system") },
			func(x *tree) error {
				if _, err := os.Lstat(x.root + "/etc/systemd/system/muxward.service"); err != nil {
					return err
				}
				return x.mallory("cd " + x.root + "/etc/systemd/system && echo ExecStart=/tmp/mine >m && mv -f m muxward.service")
			}, "/etc/systemd/system"},
		{"everybody's directory", func(x *tree) { x.must(unix.Chmod(x.root+"/etc/pam.d", 0o777)) },
			func(x *tree) error {
				if _, err := os.Lstat(x.root + "/etc/pam.d/muxward"); err != nil {
					return err
				}
				return x.mallory("cd " + x.root + "/etc/pam.d && echo auth sufficient pam_permit.so >m && mv -f m muxward")
			}, "/etc/pam.d"},
		{"her configuration in her directory", func(x *tree) {
			x.own("/etc/muxward")
			x.must(x.mallory("echo 'tmux: /tmp/mine' >" + x.root + "/etc/muxward/muxward.yaml"))
		}, func(x *tree) error { return x.inForce("tmux: /tmp/mine") }, "/etc/muxward"},
		{"her configuration in root's directory", func(x *tree) {
			x.own("/etc/muxward")
			x.must(x.mallory("echo 'tmux: /tmp/mine' >" + x.root + "/etc/muxward/muxward.yaml"))
			x.must(os.Chown(x.root+"/etc/muxward", 0, 0))
		}, func(x *tree) error { return x.inForce("tmux: /tmp/mine") }, "muxward.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTree(t)
			c.plant(x)
			before := x.files(x.root)
			out, err := x.setup("")
			if err == nil || !strings.Contains(out, c.where) {
				t.Errorf("setup does not refuse, or does not say why: %s", out)
			}
			if c.then(x) == nil || x.files(x.root) != before || x.files(x.victim) != x.victim {
				t.Errorf("something was written:\n%s\n%s", x.files(x.root), x.files(x.victim))
			}
		})
		t.Run(c.name+", control", func(t *testing.T) {
			x := newTree(t)
			c.plant(x)
			if out, err := x.setup("teeth_host_path"); err != nil {
				t.Fatal(out)
			}
			if err := c.then(x); err != nil {
				t.Errorf("without the check nothing comes of it: this is no test (%v)", err)
			}
		})
	}
}

// A careless hand, or an older installation, has left a link where setup puts a file of
// muxward's: a symlink to a file of root's, or another name of it. setup never writes through
// the first, and never changes mode or owner of the second: it puts a new file in its
// place. The control run does as cp, chmod and chgrp do.
func TestSetupLinks(t *testing.T) {
	const secret = "secret of root\n"
	lay := func(t *testing.T, link func(secret, at string) error) (*tree, string, string) {
		x := newTree(t)
		at, hidden := x.root+"/etc/tmpfiles.d/muxward.conf", x.victim+"/secret"
		x.must(os.WriteFile(hidden, []byte(secret), 0o600))
		x.must(link(hidden, at))
		return x, hidden, at
	}
	same := func(t *testing.T, path string) bool {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		return err == nil && string(text) == secret && st.Mode&0o7777 == 0o600 && st.Uid == 0 && st.Gid == 0
	}
	t.Run("symlink", func(t *testing.T) {
		x, hidden, at := lay(t, os.Symlink)
		before := x.files(x.root)
		out, err := x.setup("")
		if err == nil || !strings.Contains(out, at) || x.files(x.root) != before {
			t.Errorf("setup does not refuse, or does not say why: %s", out)
		}
		if !same(t, hidden) {
			t.Error("it was written through the symlink")
		}
	})
	t.Run("hard link", func(t *testing.T) {
		x, hidden, at := lay(t, os.Link)
		if out, err := x.setup(""); err != nil {
			t.Fatal(out)
		}
		if !same(t, hidden) {
			t.Error("another name of the file has been changed along")
		}
		if text, err := os.ReadFile(at); err != nil || string(text) == secret {
			t.Errorf("it is not setup's file: %q, %v", text, err)
		}
	})
	for name, link := range map[string]func(string, string) error{"symlink, control": os.Symlink, "hard link, control": os.Link} {
		t.Run(name, func(t *testing.T) {
			x, hidden, at := lay(t, link)
			x.must(os.WriteFile(at, []byte("d /run/muxward\n"), 0o644))
			x.must(os.Chmod(at, 0o644))
			if same(t, hidden) {
				t.Error("who writes as cp does changes nothing: this is no test")
			}
		})
	}
}
