package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What root puts in force is nobody's but root's: files, the directory, and the way there. What
// is only looked at may be anybody's.
func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("files of others are root's to make: only that it is not asked of others is tried")
	}
	const other = 4242
	for _, c := range []struct {
		name string
		do   func(base string) error
		want string
	}{
		{"as it is", func(string) error { return nil }, ""},
		{"a file of somebody", func(base string) error { return os.Chown(base+"/x/policy/people.yaml", other, 0) }, "people.yaml: belongs to uid 4242"},
		{"a file for a group", func(base string) error { return unix.Chmod(base+"/x/policy/people.yaml", 0o664) }, "others than root"},
		{"a directory of somebody", func(base string) error { return os.Chown(base+"/x/policy", other, 0) }, "/policy belongs to"},
		{"a directory for a group", func(base string) error { return unix.Chmod(base+"/x/policy", 0o775) }, "/policy may be written"},
		{"the way", func(base string) error { return os.Chown(base+"/x", other, 0) }, "/x belongs to"},
		{"a sticky way", func(base string) error { return unix.Chmod(base+"/x", 0o1777) }, ""},
		{"somebody's sticky way", func(base string) error { return errorsOf(unix.Chmod(base+"/x", 0o1755), os.Chown(base+"/x", other, 0)) }, "/x is not root's"},
		{"root's symlink", func(base string) error {
			return errorsOf(os.Rename(base+"/x/policy", base+"/real"), os.Symlink("../real", base+"/x/policy"))
		}, ""},
		{"somebody's symlink", func(base string) error {
			return errorsOf(os.Rename(base+"/x/policy", base+"/real"), os.Symlink("../real", base+"/x/policy"), os.Lchown(base+"/x/policy", other, 0))
		}, "is not root's"},
		{"root's symlink to somebody's", func(base string) error {
			return errorsOf(os.Rename(base+"/x/policy", base+"/real"), os.Symlink("../real", base+"/x/policy"), os.Chown(base+"/real", other, 0))
		}, "/real belongs to"},
		{"root's symlink to a file through somebody's", func(base string) error {
			return errorsOf(os.Mkdir(base+"/far", 0o755), os.Rename(base+"/x/policy/grants.yaml", base+"/far/grants.yaml"), os.Symlink("../../far/grants.yaml", base+"/x/policy/grants.yaml"), os.Chown(base+"/far", other, 0))
		}, "/far belongs to"},
		{"root's symlink to a file of root's", func(base string) error {
			return errorsOf(os.Mkdir(base+"/far", 0o755), os.Rename(base+"/x/policy/grants.yaml", base+"/far/grants.yaml"), os.Symlink("../../far/grants.yaml", base+"/x/policy/grants.yaml"))
		}, ""},
		{"back from behind a symlink", func(base string) error { // x/policy is far/deep/../policy, and not far/policy of root's
			return errorsOf(os.MkdirAll(base+"/far/policy", 0o755), os.MkdirAll(base+"/else/in", 0o755), os.Rename(base+"/x/policy", base+"/else/policy"),
				os.Symlink("../else/in", base+"/far/deep"), os.Symlink("../far/deep/../policy", base+"/x/policy"), os.Chown(base+"/else", other, 0))
		}, "/else belongs to"},
		{"a symlink in a circle", func(base string) error {
			return errorsOf(os.RemoveAll(base+"/x/policy"), os.Symlink("policy", base+"/x/policy"))
		}, "leads nowhere"},
	} {
		if os.Geteuid() != 0 && (strings.Contains(c.name, "somebody") || strings.HasPrefix(c.name, "back")) || os.Geteuid() != 0 && c.name == "the way" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			base := t.TempDir()
			dir := filepath.Join(base, "x", "policy")
			err := errorsOf(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/people.yaml", []byte("people: {alice: {}}\n"), 0o644), os.WriteFile(dir+"/grants.yaml", []byte("grants: []\n"), 0o644), c.do(base))
			if err != nil {
				t.Fatal(err)
			}
			_, err = NewEngine(dir)
			switch {
			case os.Geteuid() == 0:
			case c.name == "a symlink in a circle": // the way is not looked at
				c.want = "too many levels of symbolic links"
			default:
				c.want = ""
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("in force: %v, want %q", err, c.want)
			}
			if _, err := Load(dir); err != nil && c.name != "a symlink in a circle" {
				t.Errorf("looked at: %v", err)
			}
		})
	}
}

// What is put in force for root by another account is asked for the same, and so are changes of it.
func TestOwnersForRoot(t *testing.T) {
	base := t.TempDir()
	err := errorsOf(os.WriteFile(base+"/people.yaml", []byte("people: {alice: {}}\n"), 0o644), os.WriteFile(base+"/grants.yaml", []byte("grants: []\n"), 0o644), unix.Chmod(base, 0o775))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(base, owners{}); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSystemEngine(base); err == nil {
		t.Error("a directory that a group may write to is in force")
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := unix.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	e, err := NewSystemEngine(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(base+"/grants.yaml", 0o664); err != nil {
		t.Fatal(err)
	}
	if err := e.Reload(base); err == nil || e.DigestNow(base) != e.Digest() {
		t.Errorf("reloaded: %v, or it is read once more although nothing has changed", err)
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// What is wrong with one file is said of that one alone.
func TestOneFileThatIsNotRead(t *testing.T) {
	dir := t.TempDir()
	err := errorsOf(os.WriteFile(dir+"/people.yaml", []byte("people: {alice: {}}\n"), 0o644), os.WriteFile(dir+"/grants.yaml", []byte("grants: []\n"), 0o644),
		os.Symlink("none", dir+"/a.cedar"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	files := readDir(dir, inUse(), &r)
	if len(files) != 2 || len(r.list) != 1 || r.list[0].Error() != "a.cedar: no such file or directory" {
		t.Errorf("%d files were read, and wrong is %v", len(files), r.list)
	}
}

// What was not there when the way was looked at is not opened: in a directory like /tmp somebody else can have
// put a link there meanwhile.
func TestWayToNothing(t *testing.T) {
	const none = "/none-of-that-name"
	var gone *fs.PathError
	if err := (owners{root: true}).way(none); !errors.As(err, &gone) {
		t.Errorf("it may be opened: %v", err)
	}
	if _, err := NewSystemEngine(none); err == nil || !strings.Contains(err.Error(), "cannot read the policy directory: no such file") {
		t.Error(err)
	}
}
