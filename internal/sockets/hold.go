package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the group of who acts for somebody else: what belongs to them they
// reach by their uid.
const nobody = 65534

// become makes this process run as uid and nothing more, for good. It keeps no
// rights of root's, whatever the system says of who changes its uid.
func become(uid uint32) error {
	switch uint32(os.Geteuid()) {
	case uid:
		return nil
	default:
		return fmt.Errorf("it belongs to uid %d: only that account and root may mend it", uid)
	case 0:
	}
	err := syscall.Setgroups([]int{})
	if err == nil {
		err = syscall.Setresgid(nobody, nobody, nobody)
	}
	if err == nil {
		err = syscall.Setresuid(int(uid), int(uid), int(uid))
	}
	if err != nil {
		return fmt.Errorf("take on the rights of uid %d: %w", uid, err)
	}
	header, caps := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return fmt.Errorf("take on the rights of uid %d: %w", uid, err)
	}
	if unix.Getuid() != int(uid) || unix.Geteuid() != int(uid) || caps[0].Effective|caps[1].Effective|caps[0].Permitted|caps[1].Permitted != 0 {
		return fmt.Errorf("take on the rights of uid %d: some of root's remain", uid)
	}
	return nil
}

// openDir opens a directory and nothing else: no symbolic link is followed in
// any part of the path.
func openDir(path string, flags int) (*os.File, error) {
	flags |= unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	for range 100 { // EAGAIN: something was renamed on the way
		fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case errors.Is(err, unix.ENOSYS):
			return openDirByParts(path, flags)
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: unix.EAGAIN}
}

// openDirByParts is openDir for kernels without openat2 (Linux 5.6).
func openDirByParts(path string, flags int) (*os.File, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	at, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if err != nil {
			break
		}
		mode := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
		if i == len(parts)-1 {
			mode = flags
		}
		var next int
		next, err = unix.Openat(at, part, mode, 0)
		_ = unix.Close(at)
		at = next
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(at), path), nil
}

// errChanged says that something is not what was found any more.
var errChanged = errors.New("it is not what was found any more")

// leftAlone is the error of a step that is not done because it would not be
// right any more.
type leftAlone struct{ error }

func (l leftAlone) Unwrap() error { return l.error }

// isLeft tells what is left alone, as it is not what was found, from what failed.
func isLeft(err error) bool {
	var left leftAlone
	return errors.As(err, &left) || errors.Is(err, errChanged) || errors.Is(err, errStarting) || errors.Is(err, unix.ENOENT) ||
		errors.Is(err, unix.ENOTDIR) // what was found was in a directory, or was one
}

// hold takes hold of an entry of dir and makes sure that it is still the file
// that was found, with the same owner and kind.
func hold(dir *os.File, name string, want File) (*os.File, error) {
	pin, err := pinAt(int(dir.Fd()), name)
	if err != nil {
		return nil, err
	}
	now, err := statFD(int(pin.Fd()))
	if err == nil && !same(now, want) {
		err = errChanged
	}
	if err != nil {
		_ = pin.Close()
		return nil, err
	}
	return pin, nil
}

func same(a, b File) bool { return a.id() == b.id() && a.UID == b.UID && a.Kind == b.Kind }

// chmodHeld changes the mode of a file that is held, however it is called by now.
func chmodHeld(pin *os.File, mode Mode) error {
	err := unix.Chmod(procPath(pin), uint32(mode))
	runtime.KeepAlive(pin)
	return err
}

// startLock is the lock that tmux takes while it starts a server at a path.
type startLock struct {
	dir  *os.File
	name string
	file *os.File
	made bool
}

// errStarting says that tmux holds the lock.
var errStarting = errors.New("a server is being started at this path, or somebody holds its lock")

// lockStart takes the lock: whoever would start a server waits, for the moment
// that we have it.
func lockStart(dir *os.File, socket string) (*startLock, error) {
	l := &startLock{dir: dir, name: socket + ".lock", made: true}
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Openat(int(dir.Fd()), l.name, flags|unix.O_EXCL, 0o600)
	if errors.Is(err, unix.EEXIST) {
		l.made = false
		fd, err = unix.Openat(int(dir.Fd()), l.name, flags&^unix.O_CREAT, 0)
	}
	if errors.Is(err, unix.ELOOP) {
		return nil, leftAlone{errors.New("the lock that tmux takes to start a server is a symbolic link")}
	}
	if err != nil {
		return nil, fmt.Errorf("take the lock that tmux takes to start a server: %w", err)
	}
	l.file = os.NewFile(uintptr(fd), l.name)
	f, err := statFD(fd)
	if err == nil && f.Kind != "file" {
		err = errors.New("the lock that tmux takes to start a server is a " + f.Kind)
	}
	if err == nil && unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		err = errStarting
	}
	if err == nil && !l.inPlace() {
		err = errStarting
	}
	if err != nil {
		_ = l.file.Close()
		return nil, err
	}
	return l, nil
}

// inPlace reports whether the file that we locked is the one that tmux would
// lock.
func (l *startLock) inPlace() bool {
	var at unix.Stat_t
	ours, err := statFD(int(l.file.Fd()))
	return err == nil && unix.Fstatat(int(l.dir.Fd()), l.name, &at, unix.AT_SYMLINK_NOFOLLOW) == nil && fileOf(at).id() == ours.id()
}

// release gives the lock back, and leaves no file that was not there before.
func (l *startLock) release() {
	if l.made && l.inPlace() {
		_ = unix.Unlinkat(int(l.dir.Fd()), l.name, 0) // tmux does so, too; who waits for it looks again
	}
	_ = l.file.Close()
}
