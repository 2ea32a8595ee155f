package hostconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/trusted"
)

// tree is the directory that stands for /. Everything is done by descriptors of
// directories that were looked at, and names in them.
type tree struct {
	path string // without a slash at its end: "" is /
	root *os.File
	uid  uint32
	// mending are directories, by where they are on this machine, that others may change
	// now, and that the state has: a plan looks through them. An apply puts them right
	// before it touches what is in them, and asks for that again at each step.
	mending map[string]bool
	// noOwners leaves out whose things are: they are taken for root's.
	noOwners bool
	// removing is told of each name before empty removes it; for tests.
	removing func(name string)
}

// openTree opens the root of a host.
func openTree(root string) (*tree, error) {
	t := &tree{uid: uint32(os.Geteuid())}
	if root != "" && root != "/" {
		whole, err := filepath.Abs(root)
		if err == nil {
			// Who names it says where it is: the way there may have symlinks, as long as
			// nobody else can put another in its place.
			if teeth.Out(teeth.HostPath) {
				whole, err = filepath.EvalSymlinks(whole)
			} else {
				whole, err = t.who().Way(whole, trusted.Apart) // what it is itself is judged by its descriptor
			}
		}
		if err != nil {
			return nil, fmt.Errorf("--root %s: %w", root, err)
		}
		t.path = strings.TrimSuffix(whole, "/")
	}
	slash, err := os.Open("/")
	if err != nil {
		return nil, err
	}
	t.root, err = t.descend(slash, strings.TrimPrefix(t.path, "/"), "/", false)
	if err == nil {
		err = t.ours(t.root, true)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tree) close() {
	if t.root != nil {
		_ = t.root.Close()
	}
}

// full is where a path of the host is on this machine.
func (t *tree) full(path string) string { return t.path + path }

// machine reports whether this is the machine itself, and no tree in it.
func (t *tree) machine() bool { return t.path == "" }

// parent opens the directory that a path is in. Nobody but root and us can have put it
// there, or can put anything into it. It is fs.ErrNotExist if it is not there.
func (t *tree) parent(path string) (*os.File, string, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
		return nil, "", fmt.Errorf("%q: give an absolute path without . and ..", path)
	}
	dup, err := unix.FcntlInt(t.root.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, "", err
	}
	dir, err := t.descend(os.NewFile(uintptr(dup), t.root.Name()), strings.TrimPrefix(filepath.Dir(path), "/"), t.path+"/", true)
	return dir, filepath.Base(path), err
}

// descend goes down from a directory, which it closes, and follows no symlink. Each
// directory on the way has to be one in which nobody else can rename; with last, that is
// asked more strictly of the one that it ends in.
func (t *tree) descend(dir *os.File, way, from string, last bool) (*os.File, error) {
	at := from
	parts := strings.Split(way, "/")
	if way == "" {
		parts = nil
	}
	for _, name := range parts {
		if err := t.ours(dir, false); err != nil {
			_ = dir.Close()
			return nil, err
		}
		at = filepath.Join(at, name)
		next, err := openDirAt(dir, name, at)
		_ = dir.Close()
		if err != nil {
			return nil, err
		}
		dir = next
	}
	if last {
		if err := t.ours(dir, true); err != nil {
			_ = dir.Close()
			return nil, err
		}
	}
	return dir, nil
}

// ours makes sure that nobody but root and we can rename in a directory. Strictly, nobody
// else can put anything into it either, as others can in /tmp.
func (t *tree) ours(dir *os.File, strict bool) error {
	if t.mending[dir.Name()] || teeth.Out(teeth.HostPath) {
		return nil
	}
	use := trusted.Through
	if strict {
		use = trusted.Itself
	}
	return trusted.Said(t.who().Held(int(dir.Fd()), dir.Name(), use), func(f *trusted.Fault) error {
		if f.Why == trusted.Owner {
			return refused{fmt.Errorf("%s belongs to uid %d, who could put another file in the place of ours: chown it to root", f.At, f.UID)}
		}
		return refused{fmt.Errorf("%s is writable for others (%04o), who could put another file in the place of ours: chmod go-w %[1]s", f.At, f.Bits())}
	})
}

// only reports whether nobody but root, we and an account could write to what a fact is of.
func (t *tree) only(f fact, owner uint32) bool {
	return t.who().And(owner, "its account").Judge(trusted.Thing{UID: f.UID, GID: f.GID, Mode: f.Mode}, trusted.Itself) == nil
}

func (t *tree) who() trusted.Who { return trusted.Root().And(t.uid, "us") }

// refused marks what is not touched as it cannot be trusted.
type refused struct{ error }

func (e refused) Unwrap() error { return e.error }

const permBits = 0o7777

// openDirAt opens a directory in another one. A symlink is followed by nobody.
func openDirAt(dir *os.File, name, path string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_BENEATH,
	}
	if teeth.Out(teeth.HostPath) {
		how = unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC}
	}
	fd, err := openat2(dir, name, &how)
	var st unix.Stat_t
	link := errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) && // which of them, the kernel chooses
		unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
	switch {
	case link:
		return nil, refused{fmt.Errorf("%s is a symlink: nothing is written through one; remove it, or name the directory that it leads to", path)}
	case errors.Is(err, unix.ENOTDIR):
		return nil, refused{fmt.Errorf("%s is no directory", path)}
	case err != nil:
		return nil, &fs.PathError{Op: "open the directory", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func openat2(dir *os.File, name string, how *unix.OpenHow) (int, error) {
	for range 100 { // EAGAIN: something was renamed on the way
		fd, err := unix.Openat2(int(dir.Fd()), name, how)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err == unix.ENOSYS {
			return -1, errors.New("this kernel has no openat2 (Linux 5.6), without which a path cannot be trusted")
		}
		return fd, err
	}
	return -1, unix.EAGAIN
}

// empty removes all that is in a directory, and follows nothing out of it. The names in last
// go at the end, in their order.
func (t *tree) empty(path string, last ...string) error {
	dir, name, err := t.parent(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	d, err := openDirAt(dir, name, t.full(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", d.Fd()))
	if err != nil {
		return fmt.Errorf("empty %s: %w", d.Name(), err)
	}
	defer root.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("empty %s: %w", d.Name(), err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(last, n) })
	for _, n := range append(names, last...) {
		if t.removing != nil {
			t.removing(n)
		}
		if err := root.RemoveAll(n); err != nil {
			return fmt.Errorf("remove %s/%s: %w", d.Name(), n, err)
		}
	}
	return nil
}
