package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/siblings"
)

// prepare makes what only root can make: the state directory for the account.
// Of one that root has used before, everything is handed over, once.
func prepare(s *setting) error {
	path := s.config.State
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the way to the state directory: %w", err)
	}
	up, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err == nil {
		err = siblings.CheckPath(up)
	}
	if err != nil {
		return fmt.Errorf("above the state directory: %w", err)
	}
	path = filepath.Join(up, filepath.Base(path))
	s.config.State = path
	if err := os.Mkdir(path, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the state directory: %w", err)
	}
	dir, err := openBelow(unix.AT_FDCWD, path, unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("the state directory: %w", err)
	}
	defer dir.Close()
	if err := prepareKeys(s, dir); err != nil {
		return err
	}
	if err := handOver(dir, s.account, 0); err != nil {
		return fmt.Errorf("hand the state directory over to %s: %w", s.account.Name, err)
	}
	return nil
}

// maxDepth is how deep a state directory is: the log has one below it.
const maxDepth = 4

// handOver gives a directory of root's to the account, with all below it; the
// directory itself last, so that what was begun is done again. Whatever is
// there that is neither root's nor the account's, has more than one name, or is
// no file, is refused: by another name it may be something else of root's.
func handOver(dir *os.File, a accounts.Account, depth int) error {
	st, err := owned(dir, a)
	if err != nil {
		return err
	}
	if st.Uid == a.UID && st.Uid != 0 && depth == 0 {
		return nil // it was handed over
	}
	if depth >= maxDepth {
		return fmt.Errorf("%s is too deep for a state directory", dir.Name())
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := handOverIn(dir, name, a, depth+1); err != nil {
			return err
		}
	}
	return give(dir, a)
}

func handOverIn(dir *os.File, name string, a accounts.Account, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		sub, err := openBelow(int(dir.Fd()), name, unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer sub.Close()
		return handOver(sub, a, depth)
	case unix.S_IFREG:
		f, err := openBelow(int(dir.Fd()), name, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := owned(f, a); err != nil {
			return err
		}
		return give(f, a)
	}
	return fmt.Errorf("%s/%s is neither a file nor a directory; move it away, or name another state directory", dir.Name(), name)
}

// openBelow opens a file or directory, and follows no symbolic link.
func openBelow(at int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat2(at, name, &unix.OpenHow{Flags: uint64(flags | unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// owned refuses what is neither root's nor the account's.
func owned(f *os.File, a accounts.Account) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case st.Uid != 0 && st.Uid != a.UID:
		return st, fmt.Errorf("%s belongs to uid %d, not to root or %s; chown it, or name another state directory", f.Name(), st.Uid, a.Name)
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink != 1:
		return st, fmt.Errorf("%s has %d names (hard links): it may be something else; remove the others", f.Name(), st.Nlink)
	}
	return st, nil
}

func give(f *os.File, a accounts.Account) error {
	if err := f.Chown(int(a.UID), int(a.GID)); err != nil {
		return err
	}
	return nil
}
