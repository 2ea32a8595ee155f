package passed

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// ErrPassed is what somebody hears who passes descriptors where nobody takes any.
var ErrPassed = errors.New("descriptors were passed, and none are taken here")

// chunk is how much is looked at in one call, into one buffer again and again.
const chunk = 4 << 10

// looks is how many of these there are: all that may lie in a connection, which is what its sender may
// have under way (wmem_max in socket(7), twice), and more.
const looks = 1 << 10

// carries ends a connection for both sides, and reports whether descriptors may lie in it. Without any it is closed at once.
func carries(c io.Closer) bool {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return true
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false // it is closed already
	}
	found := true
	if raw.Control(func(fd uintptr) {
		_ = unix.Shutdown(int(fd), unix.SHUT_RDWR) // nothing comes behind what is looked at
		found = lies(int(fd))
	}) != nil {
		return false
	}
	return found
}

// lies looks at all that lies in a socket of a stream, without taking it or what was passed with it. Where it cannot look
// something may lie.
func lies(fd int) bool {
	n, _, _, _, err := unix.Recvmsg(fd, make([]byte, 1), nil, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if n == 0 && err == nil || err == unix.EAGAIN { // as nearly always
		return urgent(fd)
	}
	into := make([]byte, chunk)
	all := make([][]byte, looks)
	for i := range all {
		all[i] = into
	}
	n, _, flags, _, err := unix.RecvmsgBuffers(fd, all, nil, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return flags&unix.MSG_CTRUNC != 0 || err != nil && err != unix.EAGAIN || n == looks*chunk || urgent(fd)
}

// urgent reports whether a byte lies in a socket that was sent out of band (MSG_OOB in send(2)). Who looks
// into it does not see that, nor what came with it; who reads has the kernel drop both. There is none for sure only if the
// kernel says so, by EINVAL, or has no such bytes. EINVAL is also what a socket has for who looks that is not connected: they
// have seen that before.
func urgent(fd int) bool {
	_, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_OOB|unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err != unix.EINVAL && err != unix.EOPNOTSUPP
}

// Reader reads from a connection over which nothing is to be passed. It takes nothing of what comes with
// descriptors, and fails: whoever reads that has the kernel close them.
func Reader(c *net.UnixConn) io.Reader {
	if teeth.Out(teeth.Put) {
		return c
	}
	return reader{c}
}

type reader struct{ c *net.UnixConn }

// Read reads what was looked at, at most: it came with nothing.
func (r reader) Read(p []byte) (int, error) {
	raw, err := r.c.SyscallConn()
	if err != nil {
		return 0, err
	}
	n, flags, failed := 0, 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, flags, _, failed = unix.Recvmsg(int(fd), p, nil, unix.MSG_PEEK|unix.MSG_DONTWAIT)
			switch {
			case urgent(int(fd)): // looked for last: what comes now lies behind what was looked at
				flags, failed = unix.MSG_CTRUNC, nil
				return true
			case failed != syscall.EINTR:
				return failed != syscall.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case flags&unix.MSG_CTRUNC != 0:
		return 0, ErrPassed
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return r.c.Read(p[:n])
}
