package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/trusted"
)

// disk is the log's directory, and file a file in it: what the log needs of
// the operating system, and where tests put faults in.
type disk interface {
	// Open opens or makes a file of mode 0600, never through a symlink.
	Open(name string, flag int) (file, error)
	Stat(name string) (fileInfo, error)
	Names() ([]string, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes names durable.
	Sync() error
	// Space gives free (to us) and total bytes of the file system.
	Space() (free, total uint64, err error)
	// Alive reports why the directory is no longer at its path, if so.
	Alive() error
	Close() error
}

type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Stat() (fileInfo, error)
	// Allocate takes blocks for n bytes from the file's end off on, and makes
	// the file that long: it reads as zeros there. It does all that or fails.
	Allocate(off, n int64) error
	Close() error
}

type fileInfo struct {
	size     int64
	links    uint64
	dev, ino uint64
}

func (a fileInfo) same(b fileInfo) bool { return a.dev == b.dev && a.ino == b.ino }

// osDisk is a real directory, held by its descriptor, which is also locked.
type osDisk struct {
	path string
	fd   int
	lock *os.File // where the directory itself cannot be locked
	self fileInfo
}

// openDisk makes the directory if need be, opens and locks it.
func openDisk(path string) (disk, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the log's directory: %w", err)
	}
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open the log's directory", Path: path, Err: err}
	}
	d := &osDisk{path: path, fd: fd}
	if err := d.take(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// take checks and locks the directory.
func (d *osDisk) take() error {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: d.path, Err: err}
	}
	err := trusted.Said(trusted.Us().Held(d.fd, d.path, trusted.Itself), func(f *trusted.Fault) error {
		if f.Why == trusted.Owner {
			return fmt.Errorf("%s belongs to uid %d, who could change the log; chown it, or give another --state", d.path, f.UID)
		}
		return fmt.Errorf("%s: others may write there (mode %04o); chmod it to 0700", d.path, f.Bits())
	})
	if err != nil {
		return err
	}
	d.self = fileInfo{dev: st.Dev, ino: st.Ino}
	return d.lockWith(unix.Flock)
}

// lockWith takes the lock on the directory's descriptor; on file systems
// where that does not work (NFS cannot lock directories), on a file in it; if
// neither works it refuses.
func (d *osDisk) lockWith(flock func(fd, how int) error) error {
	fd, err := unix.Openat(d.fd, "lock", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("make the lock file in %s: %w", d.path, err)
	}
	d.lock = os.NewFile(uintptr(fd), "lock")
	err = flock(d.fd, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil && err != unix.EWOULDBLOCK {
		whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		if err = unix.FcntlFlock(d.lock.Fd(), unix.F_OFD_SETLK, &whole); err == unix.EACCES {
			err = unix.EAGAIN
		}
	}
	switch {
	case err == unix.EAGAIN:
		holder := make([]byte, 32)
		n, _ := d.lock.ReadAt(holder, 0)
		return fmt.Errorf("%s is in use by another muxward (process %s); stop it first, or give this one another --state",
			d.path, Escape(strings.TrimSpace(string(holder[:n]))))
	case err != nil:
		return fmt.Errorf("%s cannot be locked (%w): put the state directory on a local file system", d.path, err)
	}
	// The number is for the message above only: failing to write it, as on
	// a full disk, harms nothing.
	_ = d.lock.Truncate(0)
	_, _ = fmt.Fprintf(d.lock, "%d\n", os.Getpid())
	return nil
}

func (d *osDisk) Open(name string, flag int) (file, error) {
	fd, err := unix.Openat(d.fd, name, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: d.path + "/" + name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("%s/%s is not a regular file", d.path, name)
	}
	return &osFile{fd: fd, name: d.path + "/" + name}, nil
}

func (d *osDisk) Stat(name string) (fileInfo, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fileInfo{}, &os.PathError{Op: "stat", Path: d.path + "/" + name, Err: err}
	}
	return infoOf(&st), nil
}

func (d *osDisk) Names() ([]string, error) {
	fd, err := unix.Openat(d.fd, ".", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: d.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *osDisk) Rename(from, to string) error {
	err := unix.Renameat2(d.fd, from, d.fd, to, unix.RENAME_NOREPLACE)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (d *osDisk) Remove(name string) error {
	return wrapPath("remove", d.path+"/"+name, unix.Unlinkat(d.fd, name, 0))
}

func (d *osDisk) Sync() error { return unix.Fsync(d.fd) }

func (d *osDisk) Space() (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(d.fd, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

func (d *osDisk) Alive() error {
	var st unix.Stat_t
	err := unix.Lstat(d.path, &st)
	switch {
	case err == unix.ENOENT:
		return fmt.Errorf("the log's directory %s was removed", d.path)
	case err != nil:
		return &os.PathError{Op: "stat", Path: d.path, Err: err}
	case !d.self.same(infoOf(&st)):
		return fmt.Errorf("the log's directory %s was replaced; put the old one back, or restart muxward", d.path)
	}
	return nil
}

func (d *osDisk) Close() error {
	var err error
	if d.lock != nil {
		err = d.lock.Close()
	}
	return errors.Join(err, unix.Close(d.fd))
}

// osFile is a real file. Plain descriptors rather than os.File: the hot path
// is one pwrite, and a partial one is the log's own matter.
type osFile struct {
	fd   int
	name string
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error) {
	got := 0
	for got < len(p) {
		n, err := unix.Pread(f.fd, p[got:], off+int64(got))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return got, &os.PathError{Op: "read", Path: f.name, Err: err}
		case n == 0:
			return got, io.EOF
		default:
			got += n
		}
	}
	return got, nil
}

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	put := 0
	for put < len(p) {
		n, err := unix.Pwrite(f.fd, p[put:], off+int64(put))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return put, &os.PathError{Op: "write", Path: f.name, Err: err}
		case n == 0:
			return put, &os.PathError{Op: "write", Path: f.name, Err: io.ErrShortWrite}
		default:
			put += n
		}
	}
	return put, nil
}

func (f *osFile) Truncate(size int64) error {
	for {
		if err := unix.Ftruncate(f.fd, size); err != unix.EINTR {
			return wrapPath("cut", f.name, err)
		}
	}
}

func (f *osFile) Sync() error {
	for {
		if err := unix.Fdatasync(f.fd); err != unix.EINTR {
			return wrapPath("sync", f.name, err)
		}
	}
}

func (f *osFile) Stat() (fileInfo, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return fileInfo{}, wrapPath("stat", f.name, err)
	}
	return infoOf(&st), nil
}

func (f *osFile) Allocate(off, n int64) error {
	// In two steps, as some file systems (ext4, Linux 6.12) make the file longer
	// before they notice that the disk is full.
	for {
		err := unix.Fallocate(f.fd, unix.FALLOC_FL_KEEP_SIZE, off, n)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return wrapPath("allocate", f.name, err)
		}
		return f.Truncate(off + n)
	}
}

func (f *osFile) Close() error { return unix.Close(f.fd) }

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{size: st.Size, links: uint64(st.Nlink), dev: st.Dev, ino: st.Ino}
}

func wrapPath(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}
