package passed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// Listen listens at a path for who has nothing to pass: where the kernel can have it so (Linux 6.16) nobody
// passes descriptors there. Elsewhere who reads without room for them has the kernel put them away: see [Away].
func Listen(path string) (*net.UnixListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if teeth.Out(teeth.Put) {
			return nil
		}
		var inner error
		err := raw.Control(func(fd uintptr) {
			if inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0); errors.Is(inner, unix.ENOPROTOOPT) {
				inner = nil
			}
		})
		return errors.Join(err, inner)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	at, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listen at %s: it is no socket of a path", path), l.Close())
	}
	return at, nil
}

// Bar has nobody connect to a listener any more. Who has before lies there still.
func Bar(l *net.UnixListener) {
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) }) // else it is closed
	}
}
