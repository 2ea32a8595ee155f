package trusted

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }

// files have root, alice (1000), bob (1001, whose group carol shares) and dave, who has users, as erin does.
func files(t *testing.T) accounts.Files {
	t.Helper()
	dir := t.TempDir()
	f := accounts.Files{Passwd: dir + "/passwd", Group: dir + "/group"}
	if err := errors.Join(
		os.WriteFile(f.Passwd, []byte("root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\ndave:x:1003:100::/:/bin/sh\nerin:x:1004:100::/:/bin/sh\n"), 0o644),
		os.WriteFile(f.Group, []byte("root:x:0:\nalice:x:1000:\nbob:x:1001:carol\nusers:x:100:\nstaff:x:50:\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestJudge(t *testing.T) {
	const dir, file, link = unix.S_IFDIR, unix.S_IFREG, unix.S_IFLNK
	root, alice := Root(), Root().And(1000, "alice")
	groups := alice.Groups(files(t))
	dave := Root().And(1003, "dave").Groups(files(t))
	none := func() (bool, error) { return false, nil }
	for _, c := range []struct {
		name string
		who  Who
		use  Use
		Thing
		want Why // 0 if it is trusted
	}{
		{"root's", root, Itself, Thing{Mode: file | 0o644}, 0},
		{"hers, of root", root, Itself, Thing{UID: 1000, Mode: file | 0o644}, Owner},
		{"hers", alice, Itself, Thing{UID: 1000, Mode: file | 0o644}, 0},
		{"root's, of her", alice, Itself, Thing{Mode: file | 0o644}, 0},
		{"bob's", alice, Itself, Thing{UID: 1001, Mode: file | 0o600}, Owner},
		{"bob's, that she goes through", alice, Through, Thing{UID: 1001, Mode: dir | 0o755}, Owner},
		{"everybody's", alice, Itself, Thing{UID: 1000, Mode: file | 0o602}, Everybody},
		{"everybody's, judged apart", alice, Apart, Thing{UID: 1000, Mode: dir | 0o1777}, Everybody},
		{"everybody's directory", alice, Through, Thing{UID: 1000, Mode: dir | 0o757}, Everybody},
		{"everybody's, of those with groups", groups, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o666, List: none}, Everybody},
		{"a group's", alice, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o660}, Group},
		{"a group's directory", alice, Through, Thing{UID: 1000, GID: 1000, Mode: dir | 0o775}, Group},
		{"root's group's", root, Itself, Thing{Mode: file | 0o664}, Group},

		{"her group's", groups, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o664, List: none}, 0},
		{"her group's directory", groups, Through, Thing{UID: 1000, GID: 1000, Mode: dir | 0o775, List: none}, 0},
		{"her group's, of root", groups, Itself, Thing{GID: 1000, Mode: dir | 0o2775, List: none}, 0},
		{"root's group's, of her", groups, Itself, Thing{UID: 1000, Mode: file | 0o664, List: none}, 0},
		{"bob's group's", groups, Itself, Thing{UID: 1000, GID: 1001, Mode: file | 0o664, List: none}, Group},
		{"a group's of which nobody is known", groups, Through, Thing{GID: 50, Mode: dir | 0o2775, List: none}, Group},
		{"their own group's, which is everybody's", dave, Itself, Thing{UID: 1003, GID: 100, Mode: file | 0o664, List: none}, Group},
		{"her group's, with a list", groups, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o664, List: func() (bool, error) { return true, nil }}, List},
		{"her group's, with a list that does not count", groups, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o644, List: func() (bool, error) { return true, nil }}, 0},
		{"her group's, and its list cannot be read", groups, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o664, List: func() (bool, error) { return false, unix.EIO }}, Unknown},
		{"her group's, and nobody looks for a list", groups, Itself, Thing{UID: 1000, GID: 1000, Mode: file | 0o664}, Unknown},

		{"sticky, and gone through", root, Through, Thing{Mode: dir | 0o1777}, 0},
		{"sticky for a group, and gone through", root, Through, Thing{GID: 50, Mode: dir | 0o1775}, 0},
		{"sticky, and used itself", root, Itself, Thing{Mode: dir | 0o1777}, Everybody},
		{"sticky for a group, and used itself", root, Itself, Thing{GID: 50, Mode: dir | 0o1775}, Group},
		{"hers and sticky, of root", root, Through, Thing{UID: 1000, Mode: dir | 0o1755}, Owner},
		{"hers and sticky", alice, Through, Thing{UID: 1000, Mode: dir | 0o1777}, 0},
		{"a sticky file", root, Through, Thing{Mode: file | 0o1666}, Everybody},

		{"root's link", root, Itself, Thing{Mode: link | 0o777}, 0},
		{"her link", alice, Through, Thing{UID: 1000, Mode: link | 0o777}, 0},
		{"her link, of root", root, Itself, Thing{UID: 1000, Mode: link | 0o777}, Link},

		{"anyone's", Anyone(), Itself, Thing{UID: 4242, GID: 100, Mode: file | 0o664}, 0},
		{"anyone's, and everybody's", Anyone(), Itself, Thing{UID: 4242, Mode: file | 0o666}, Everybody},
		{"anyone's sticky", Anyone(), Itself, Thing{UID: 4242, Mode: dir | 0o1777}, Everybody},
	} {
		c.At = "/x"
		err := c.who.Judge(c.Thing, c.use)
		var f *Fault
		if got := errors.As(err, &f); got != (c.want != 0) || got && f.Why != c.want {
			t.Errorf("%s: %v, want %d", c.name, err, c.want)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "/x") || f.Open() != (f.Why != Owner && f.Why != Link)) {
			t.Errorf("%s: %v, open: %v", c.name, err, f.Open())
		}
	}
}

// Who has one more account's word count leaves it to nobody else.
func TestAnd(t *testing.T) {
	one := Root().And(1, "a").And(2, "b").And(3, "c")
	x, y := one.And(4, "d"), one.And(5, "e")
	for uid, want := range map[uint32]bool{0: true, 3: true, 4: true, 5: false} {
		if err := x.Judge(Thing{UID: uid, Mode: unix.S_IFREG | 0o600}, Itself); (err == nil) != want {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
	if err := y.Judge(Thing{At: "/x", UID: 4, Mode: unix.S_IFREG}, Itself); err == nil || err.Error() != "/x belongs to uid 4, not to root or a or b or c or e: chown it" {
		t.Error(err)
	}
}

// What is on a way counts, as the kernel goes it: each thing for what it is for.
func TestWay(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "what is others' is root's to make")
	}
	const other = 4242
	mkdir := func(path string, mode uint32) error {
		return errors.Join(os.Mkdir(path, 0o700), unix.Chmod(path, mode))
	}
	for _, c := range []struct {
		name, path string
		do         func(at string) error // beside at/ours/file, which is root's
		way        string                // what is not trusted there; "" if nothing
		straight   string                // of a straight path
	}{
		{"all root's", "ours/file", func(string) error { return nil }, "", ""},
		{"the file is others'", "ours/file", func(at string) error { return os.Chown(at+"/ours/file", other, 0) }, "file belongs to uid 4242", "file belongs to"},
		{"the file is open", "ours/file", func(at string) error { return unix.Chmod(at+"/ours/file", 0o646) }, "file may be written", "file may be written"},
		{"the directory is others'", "ours/file", func(at string) error { return os.Chown(at+"/ours", other, 0) }, "ours belongs to", "ours belongs to"},
		{"the directory is open", "ours/file", func(at string) error { return unix.Chmod(at+"/ours", 0o777) }, "ours may be written by others (mode 0777): chmod go-w", "ours may be written"},
		{"the directory is a group's", "ours/file", func(at string) error { return unix.Chmod(at+"/ours", 0o2775) }, "ours may be written by others (mode 2775)", "ours may be written"},
		{"the directory is sticky", "ours/file", func(at string) error { return unix.Chmod(at+"/ours", 0o1777) }, "", ""},
		{"the directory is sticky and others'", "ours/file", func(at string) error {
			return errors.Join(unix.Chmod(at+"/ours", 0o1777), os.Chown(at+"/ours", other, 0))
		}, "ours belongs to", "ours belongs to"},
		{"a sticky directory", "ours", func(at string) error { return unix.Chmod(at+"/ours", 0o1777) }, "ours may be written", "ours may be written"},
		{"a sticky directory with more slashes", "ours//.//", func(at string) error { return unix.Chmod(at+"/ours", 0o1777) }, "ours may be written", "ours may be written"},
		{"through a sticky directory and back", "ours/../good", func(at string) error { return errors.Join(unix.Chmod(at+"/ours", 0o1777), mkdir(at+"/good", 0o755)) }, "", ""},
		{"root's link", "link", func(at string) error { return os.Symlink("ours/file", at+"/link") }, "", "link is a symbolic link, and none is followed"},
		{"root's link to a directory", "link/file", func(at string) error { return os.Symlink("ours", at+"/link") }, "", "link is a symbolic link"},
		{"others' link", "link", func(at string) error {
			return errors.Join(os.Symlink("ours/file", at+"/link"), os.Lchown(at+"/link", other, 0))
		}, "link is a symbolic link of uid 4242's", "link is a symbolic link of"},
		{"root's link over others'", "a", func(at string) error {
			return errors.Join(os.Symlink("b", at+"/a"), os.Symlink("ours/file", at+"/b"), os.Lchown(at+"/b", other, 0))
		}, "b is a symbolic link of", "a is a symbolic link"},
		{"root's link in others' directory", "theirs/link", func(at string) error {
			return errors.Join(mkdir(at+"/theirs", 0o755), os.Symlink("../ours/file", at+"/theirs/link"), os.Chown(at+"/theirs", other, 0))
		}, "theirs belongs to", "theirs belongs to"},
		{"back from behind a link", "deep/../ours/file", func(at string) error { // that is else/ours/file, and not ours/file
			return errors.Join(os.Symlink("else/in", at+"/deep"), os.MkdirAll(at+"/else/in", 0o755), os.Rename(at+"/ours", at+"/else/ours"), os.Chown(at+"/else", other, 0))
		}, "else belongs to", "deep is a symbolic link"},
		{"back from others' directory", "theirs/../ours/file", func(at string) error {
			return errors.Join(mkdir(at+"/theirs", 0o755), os.Chown(at+"/theirs", other, 0))
		}, "theirs belongs to", "theirs belongs to"},
	} {
		at := t.TempDir()
		if err := errors.Join(mkdir(at+"/ours", 0o755), os.WriteFile(at+"/ours/file", nil, 0o644), c.do(at)); err != nil {
			t.Fatal(c.name, err)
		}
		real, err := Root().Way(at+"/"+c.path, Itself)
		if c.way == "" && err != nil || c.way != "" && (err == nil || !strings.Contains(err.Error(), c.way)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.way)
		}
		if want, _ := filepath.EvalSymlinks(at + "/" + c.path); err == nil && real != want {
			t.Errorf("%s: it leads to %s, not to %s", c.name, real, want)
		}
		err = Root().Straight(at+"/"+c.path, Itself)
		if c.straight == "" && err != nil || c.straight != "" && (err == nil || !strings.Contains(err.Error(), c.straight)) {
			t.Errorf("%s, straight: %v, want %q", c.name, err, c.straight)
		}
	}
	if real, err := Root().Way(apart(t), Apart); err != nil || !strings.HasSuffix(real, "/theirs") {
		t.Errorf("what is judged by itself: %s, %v", real, err)
	}
	var gone *fs.PathError
	if _, err := Root().Way(t.TempDir()+"/none", Itself); !errors.As(err, &gone) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	sticky := t.TempDir()
	if err := errors.Join(unix.Chmod(sticky, 0o1777), Root().Straight(sticky, Through)); err != nil {
		t.Errorf("a sticky directory that something is to be in: %v", err)
	}
}

// apart makes a link of ours to a file that everybody may write to.
func apart(t *testing.T) (link string) {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(dir+"/theirs", nil, 0o600), os.Chmod(dir+"/theirs", 0o666), os.Symlink("theirs", dir+"/link")); err != nil {
		t.Fatal(err)
	}
	return dir + "/link"
}

// A relative path begins where we are, and all above that counts as well.
func TestRelativeWay(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/open", 0o700), os.Mkdir(dir+"/open/in", 0o700), unix.Chmod(dir+"/open", 0o777)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir + "/open/in")
	if err := Us().Straight(".", Itself); err == nil || !strings.Contains(err.Error(), "open may be written") {
		t.Error(err)
	}
}

// An access list counts where a group may write, by a descriptor and by a path. What tells no more than Stat does
// is refused there.
func TestAccessList(t *testing.T) {
	dir := t.TempDir()
	me, mine := uint32(os.Geteuid()), uint32(os.Getegid())
	who := Us()
	who.alone = func(uid, gid uint32) bool { return uid == me && gid == mine }
	path := dir + "/x"
	if err := errors.Join(os.Mkdir(path, 0o700), os.Chown(path, -1, int(mine)), unix.Chmod(path, 0o770)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := func() (out []error) {
		info, err := f.Stat()
		_, way := who.Way(path, Itself)
		return append(out, errors.Join(err, who.Held(int(f.Fd()), path, Itself)), way, who.Info(path, info, Itself))
	}
	if got := all(); got[0] != nil || got[1] != nil || got[2] == nil || !strings.Contains(got[2].Error(), "cannot be told") {
		t.Errorf("without a list: %v", got)
	}
	// Version 2; then tag, rights and id of each: owner, uid 4242, group, mask, others (posix_acl_xattr.h).
	list := []byte{2, 0, 0, 0}
	for _, e := range [][2]byte{{0x01, 7}, {0x02, 7}, {0x04, 5}, {0x10, 7}, {0x20, 0}} {
		id := ^uint32(0)
		if e[0] == 0x02 {
			id = 4242
		}
		list = binary.LittleEndian.AppendUint32(append(list, e[0], 0, e[1], 0), id)
	}
	if err := unix.Setxattr(path, accessList, list, 0); errors.Is(err, unix.ENOTSUP) {
		tmuxtest.Skip(t, "the file system has no access lists")
	} else if err != nil {
		t.Fatal(err)
	}
	for i, err := range all()[:2] {
		if err == nil || !strings.Contains(err.Error(), "by its access list") {
			t.Errorf("with a list, %d: %v", i, err)
		}
	}
	// Of a descriptor that is only a place it is not known, and so not believed.
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := who.Held(fd, path, Itself); err == nil || !strings.Contains(err.Error(), "cannot be told") {
		t.Errorf("a place: %v", err)
	}
}

func TestSaid(t *testing.T) {
	fault := Root().Judge(Thing{At: "/x", UID: 7, Mode: unix.S_IFREG}, Itself)
	own := func(f *Fault) error {
		if f.Why == Owner {
			return errors.New("own words")
		}
		return nil
	}
	if err := Said(fault, own); err == nil || err.Error() != "own words" {
		t.Error(err)
	}
	open := Root().Judge(Thing{At: "/x", Mode: unix.S_IFREG | 0o666}, Itself)
	for _, err := range []error{nil, fs.ErrNotExist, open} {
		if got := Said(err, own); got != err {
			t.Errorf("%v: %v", err, got)
		}
	}
}
