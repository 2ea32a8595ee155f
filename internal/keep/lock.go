package keep

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// LockDirectory makes this process the only muxward that uses the directory
// path, which must exist and be ours, until the lock is closed or the process
// ends. The lock is on the descriptor of a directory within that only we can
// open, so that nobody else can hold it. Where the file system has no locks
// the kernel's names of sockets serve instead.
func LockDirectory(path string) (io.Closer, error) {
	dir, err := openDir(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	lock, err := subdir(dir, ".lock", 0o700)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		_ = lock.Close()
		return nil, fmt.Errorf("lock %s: %w", path, ErrInUse)
	}
	defer lock.Close()
	return lockByName(path, lock)
}

// lockByName takes an abstract socket name made of the directory's device and
// inode (unix(7)): one process of this network namespace can have it.
func lockByName(path string, dir *os.File) (io.Closer, error) {
	st, err := statFile(dir)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	name := fmt.Sprintf("@muxward/%d/%x/%x", os.Geteuid(), st.Dev, st.Ino)
	l, err := listenAt(name)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("lock %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return l, nil
}
