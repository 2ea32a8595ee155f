package hostconf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/trusted"
)

// ReadTrusted reads a file of the tree in root that nobody but root and the caller may have
// written, and that nobody else can put another in the place of. A symlink is not followed,
// and a FIFO keeps nobody waiting.
func ReadTrusted(root, path string, most int64) ([]byte, error) {
	t, err := openTree(root)
	if err != nil {
		return nil, err
	}
	defer t.close()
	dir, name, err := t.parent(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	at := t.full(path)
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err == unix.ELOOP {
		return nil, refused{fmt.Errorf("%s is a symlink, which is not followed: name the file that it leads to", at)}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: at, Err: err}
	}
	f := os.NewFile(uintptr(fd), at)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: at, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, refused{fmt.Errorf("%s is no regular file", at)}
	}
	if err := trusted.Said(t.who().Held(fd, at, trusted.Itself), func(f *trusted.Fault) error {
		if f.Why == trusted.Owner {
			return refused{fmt.Errorf("%s belongs to uid %d, who may write anything into it: chown it to root", at, f.UID)}
		}
		return refused{fmt.Errorf("%s is writable for others (%04o): chmod go-w %[1]s", at, f.Bits())}
	}); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", at, most)
	}
	return data, err
}

// OpenOwn opens a directory of the tree in root that is the caller's and nobody else's (0700).
// It makes it, and what is missing on the way. No symlink is followed.
func OpenOwn(root, path string) (*os.Root, error) {
	t, err := openTree(root)
	if err != nil {
		return nil, err
	}
	defer t.close()
	d, err := t.makeDir(path, 0o700)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: d.Name(), Err: err}
	}
	// Not even root's will do, and nobody else is to read there: this is more than a question of who may change it.
	if st.Uid != t.uid || st.Mode&0o777 != 0o700 {
		return nil, refused{fmt.Errorf("%s belongs to uid %d and has mode %04o: it has to be uid %d's, with mode 0700", d.Name(), st.Uid, st.Mode&permBits, t.uid)}
	}
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", d.Fd()))
}

// makeDir opens a directory, and makes it and those on the way that are missing.
func (t *tree) makeDir(path string, mode uint32) (*os.File, error) {
	dir, name, err := t.parent(path)
	if errors.Is(err, fs.ErrNotExist) {
		var above *os.File
		if above, err = t.makeDir(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		_ = above.Close()
		dir, name, err = t.parent(path)
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	made := unix.Mkdirat(int(dir.Fd()), name, mode)
	if made != nil && made != unix.EEXIST {
		return nil, &os.PathError{Op: "mkdir", Path: t.full(path), Err: made}
	}
	d, err := openDirAt(dir, name, t.full(path))
	if err == nil && made == nil {
		err = unix.Fchmod(int(d.Fd()), mode) // whatever the umask is
	}
	return d, err
}
