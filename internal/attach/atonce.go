//go:build !race

package attach

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadAtOnce and WriteAtOnce are one system call each, of which the runtime is not told: it
// would wake the thread that looks after calls that wait, which costs a key more than the
// call does. They are for descriptors that are in non-blocking mode and that nobody else
// has. One that waited all the same would hold up everybody at the next collection.
func ReadAtOnce(fd int, p []byte) (int, error) { return atOnce(unix.SYS_READ, fd, p) }

// WriteAtOnce is [ReadAtOnce] the other way.
func WriteAtOnce(fd int, p []byte) (int, error) { return atOnce(unix.SYS_WRITE, fd, p) }

func atOnce(call uintptr, fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, e := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}
