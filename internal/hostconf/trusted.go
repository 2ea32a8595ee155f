package hostconf

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
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
	if st.Uid != 0 && st.Uid != t.uid {
		return nil, refused{fmt.Errorf("%s belongs to uid %d, who may write anything into it: chown it to root", at, st.Uid)}
	}
	if st.Mode&0o022 != 0 {
		return nil, refused{fmt.Errorf("%s is writable for others (%04o): chmod go-w %s", at, st.Mode&permBits, at)}
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", at, most)
	}
	return data, err
}
