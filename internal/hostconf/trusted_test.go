package hostconf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What says whom to trust is read only where nobody else could have written it.
func TestReadTrusted(t *testing.T) {
	type change func(root, file string) error
	for _, c := range []struct {
		name, want string
		do         change
		root       bool
	}{
		{name: "as it should be", do: func(_, _ string) error { return nil }},
		{name: "writable for all", want: "chmod go-w", do: func(_, f string) error { return os.Chmod(f, 0o666) }},
		{name: "writable for a group", want: "chmod go-w", do: func(_, f string) error { return os.Chmod(f, 0o664) }},
		{name: "directory writable", want: "chmod go-w", do: func(_, f string) error { return os.Chmod(filepath.Dir(f), 0o777) }},
		{name: "another's", want: "belongs to uid 65534", root: true, do: func(_, f string) error { return os.Chown(f, 65534, 65534) }},
		{name: "symlink", want: "is a symlink", do: func(r, f string) error {
			return andThen(os.Rename(f, r+"/x"), func() error { return os.Symlink(r+"/x", f) })
		}},
		{name: "symlink on the way", want: "is a symlink", do: func(r, f string) error {
			return andThen(os.Rename(r+"/etc", r+"/x"), func() error { return os.Symlink("x", r+"/etc") })
		}},
		{name: "FIFO", want: "no regular file", do: func(_, f string) error {
			return andThen(os.Remove(f), func() error { return unix.Mkfifo(f, 0o600) })
		}},
		{name: "too large", want: "larger than 8 bytes", do: func(_, f string) error { return os.WriteFile(f, []byte("123456789"), 0o644) }},
	} {
		if c.root && os.Geteuid() != 0 {
			continue
		}
		root := t.TempDir()
		file := root + "/etc/muxward/keys"
		err := andThen(os.MkdirAll(filepath.Dir(file), 0o755), func() error { return os.WriteFile(file, []byte("key\n"), 0o644) })
		if err = andThen(err, func() error { return os.Chmod(root, 0o755) }); err != nil {
			t.Fatal(err)
		}
		if err := c.do(root, file); err != nil {
			t.Fatal(c.name, err)
		}
		data, err := ReadTrusted(root, "/etc/muxward/keys", 8)
		switch {
		case c.want == "" && (err != nil || string(data) != "key\n"):
			t.Errorf("%s: %q, %v", c.name, data, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %q, %v; want %q", c.name, data, err, c.want)
		}
	}
}

// andThen does what comes after something that may have failed.
func andThen(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// A directory that is the caller's own is reached by no symlink, and is nobody else's.
func TestOpenOwn(t *testing.T) {
	const path = "/var/lib/own"
	for _, c := range []struct {
		name, want string
		do         func(root, out string) error
		root       bool
	}{
		{name: "not there", do: func(_, _ string) error { return nil }},
		{name: "there", do: func(r, _ string) error { return os.MkdirAll(r+path, 0o700) }},
		{name: "symlink", want: "is a symlink", do: func(r, out string) error {
			return andThen(os.MkdirAll(r+"/var/lib", 0o755), func() error { return os.Symlink(out, r+path) })
		}},
		{name: "symlink on the way", want: "is a symlink", do: func(r, out string) error { return os.Symlink(out, r+"/var") }},
		{name: "open", want: "mode 0700", do: func(r, _ string) error { return os.MkdirAll(r+path, 0o755) }},
		{name: "another's", want: "belongs to uid 65534", root: true, do: func(r, _ string) error {
			return andThen(os.MkdirAll(r+path, 0o700), func() error { return os.Chown(r+path, 65534, 65534) })
		}},
	} {
		if c.root && os.Geteuid() != 0 {
			continue
		}
		root, out := t.TempDir(), t.TempDir()
		if err := andThen(os.Chmod(root, 0o755), func() error { return c.do(root, out) }); err != nil {
			t.Fatal(c.name, err)
		}
		d, err := OpenOwn(root, path)
		if err == nil {
			err = d.WriteFile("x", nil, 0o600)
			_ = d.Close()
		}
		if _, there := os.Stat(root + path + "/x"); c.want == "" && (err != nil || there != nil) {
			t.Errorf("%s: %v, %v", c.name, err, there)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if names, err := os.ReadDir(out); err != nil || len(names) > 0 {
			t.Errorf("%s: outside there is %v, %v", c.name, names, err)
		}
	}
}
