package keep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/trusted"
)

// openDir opens a directory and nothing else: no symlink is followed in any
// part of the path.
func openDir(path string) (*os.File, error) {
	return openDirAt(unix.AT_FDCWD, path)
}

func openDirAt(at int, path string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	if at != unix.AT_FDCWD { // below one of ours: nothing is mounted there
		how.Resolve |= unix.RESOLVE_NO_XDEV
	}
	fd, err := openat2(at, path, &how)
	if err != nil {
		return nil, &fs.PathError{Op: "open the directory", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// pinAt holds on to whatever is at path, a symlink itself included, so that
// its inode number cannot be given to another file.
func pinAt(at int, path string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_NO_MAGICLINKS,
	}
	if at != unix.AT_FDCWD {
		how.Resolve |= unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := openat2(at, path, &how)
	if err != nil {
		return nil, &fs.PathError{Op: "look at", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// errNoSocket is the error of something else in a socket's place.
var errNoSocket = errors.New("it is no socket of the account, or has other names")

// pinSocket holds on to a socket in a directory in which others can put what they like:
// it is the account's and has no other name, or it is none.
func pinSocket(dir *os.File, name string, uid uint32) (*os.File, error) {
	f, err := pinAt(int(dir.Fd()), name)
	if err != nil {
		return nil, err
	}
	st, err := statFile(f)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFSOCK || st.Uid != uid || st.Nlink > 1) {
		err = &fs.PathError{Op: "look at", Path: dir.Name() + "/" + name, Err: errNoSocket}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openat2(at int, path string, how *unix.OpenHow) (int, error) {
	for range 100 { // EAGAIN: something was renamed on the way
		fd, err := unix.Openat2(at, path, how)
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

// procPath names an open file, for calls that take only paths. It is about the
// file itself, however it is called by now.
func procPath(f *os.File) string {
	return "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
}

// stat looks at an open file.
func statFile(f *os.File) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return st, err
}

// statAt looks at what is at a name below dir, a link itself included. What somebody has
// mounted there is not asked, as it may never answer: that is EXDEV.
func statAt(dir *os.File, name string) (unix.Stat_t, error) {
	f, err := pinAt(int(dir.Fd()), name)
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer f.Close()
	return statFile(f)
}

// notThere reports whether an error of statAt says what is, or is not, at the name. Any other
// says that nobody knows, such as without a descriptor left.
func notThere(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ENOTDIR, unix.EXDEV, unix.ELOOP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func sameFile(a, b unix.Stat_t) bool { return a.Dev == b.Dev && a.Ino == b.Ino }

const permBits = 0o7777

// chmodFile changes the mode of a file held by an O_PATH descriptor, which
// fchmod(2) refuses.
func chmodFile(f *os.File, mode uint32) error {
	return unix.Chmod(procPath(f), mode)
}

// makeRoot makes or checks one of our own top directories: it must be ours,
// with exactly mode, and nobody else may be able to put another in its place.
func makeRoot(path string, mode uint32) (*os.File, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, fmt.Errorf("%s: give an absolute path without . and ..", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the way to %s: %w", path, err)
	}
	if err := unix.Mkdir(path, mode); err != nil && err != unix.EEXIST {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	dir, err := openDir(path)
	if err != nil {
		return nil, err
	}
	st, err := statFile(dir)
	if err == nil && st.Uid != uint32(os.Geteuid()) {
		err = fmt.Errorf("it belongs to uid %d, not to us (%d); use another directory", st.Uid, os.Geteuid())
	}
	if err == nil {
		err = checkAncestors(path)
	}
	if err == nil && st.Mode&permBits != mode {
		err = dir.Chmod(os.FileMode(mode))
	}
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return dir, nil
}

// checkAncestors makes sure that nobody but root and we can replace a part of
// the path, which has no symlink in it.
func checkAncestors(path string) error {
	return aboveSaid(trusted.Us().Straight(filepath.Dir(path), trusted.Through))
}

// aboveSaid says what is wrong with what is above a directory of ours.
func aboveSaid(err error) error {
	return trusted.Said(err, func(f *trusted.Fault) error {
		switch f.Why {
		case trusted.Owner, trusted.Link:
			return fmt.Errorf("%s above it belongs to uid %d, who could replace it; use another directory", f.At, f.UID)
		case trusted.Everybody, trusted.Group:
			return fmt.Errorf("%s above it is writable for others, who could replace it; use another directory or chmod go-w %[1]s", f.At)
		}
		return nil
	})
}

// subdir makes or checks a directory of ours inside one of ours.
func subdir(parent *os.File, name string, mode uint32) (*os.File, error) {
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil && err != unix.EEXIST {
		return nil, fmt.Errorf("make %s/%s: %w", parent.Name(), name, err)
	}
	dir, err := openDirAt(int(parent.Fd()), name)
	if err != nil {
		return nil, err
	}
	st, err := statFile(dir)
	if err == nil && st.Uid != uint32(os.Geteuid()) {
		err = fmt.Errorf("it belongs to uid %d", st.Uid)
	}
	if err == nil && st.Mode&permBits != mode {
		err = dir.Chmod(os.FileMode(mode))
	}
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("%s/%s: %w", parent.Name(), name, err)
	}
	return dir, nil
}

// maxClear bounds what clearDir takes away: our directories hold a socket and
// perhaps a lock.
const maxClear = 64

// clearDir removes a directory of ours with the sockets, links and empty files
// in it. Anything else was not put there by us and stays, and so does the
// directory then.
func clearDir(parent *os.File, name string) error {
	st, err := statAt(parent, name)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.Unlinkat(int(parent.Fd()), name, 0)
	}
	dir, err := openDirAt(int(parent.Fd()), name)
	if errors.Is(err, unix.EACCES) { // our own directory, without r for us
		var pin *os.File
		if pin, err = pinAt(int(parent.Fd()), name); err == nil {
			err = errors.Join(chmodFile(pin, 0o700), pin.Close())
		}
		if err == nil {
			dir, err = openDirAt(int(parent.Fd()), name)
		}
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	_ = dir.Chmod(0o700) // if it fails, so does what follows
	names, err := dir.Readdirnames(maxClear)
	if err != nil && len(names) > 0 {
		return err
	}
	for _, n := range names {
		st, err := statAt(dir, n)
		if err != nil {
			continue
		}
		kind := st.Mode & unix.S_IFMT
		if kind == unix.S_IFSOCK || kind == unix.S_IFLNK || kind == unix.S_IFREG && st.Size == 0 {
			_ = unix.Unlinkat(int(dir.Fd()), n, 0) // if it fails, so does what follows
		}
	}
	return unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR)
}
