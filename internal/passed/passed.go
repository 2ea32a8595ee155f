package passed

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Starved reports whether an error says that there was no room for one more descriptor, or for what it stands for. It
// tells nothing of whom that was for.
func Starved(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// Copy gives another descriptor of a file, which is the caller's to close and not inherited. The file may be closed
// meanwhile: the number of its own may be something else's by then.
func Copy(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	if closed := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 3) }); closed != nil {
		return -1, closed
	}
	return fd, err
}

// Rights is the control message that passes copies of files; nil for none.
func Rights(files []*os.File) []byte {
	if len(files) == 0 {
		return nil
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	return unix.UnixRights(fds...)
}

// Files takes the descriptors out of control messages, with a name for them. They are the
// caller's to close, also those that come with an error: that something else was passed.
func Files(control []byte, name string) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), name))
		}
	}
	return files, nil
}

// Close closes files that nobody wants.
func Close(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
