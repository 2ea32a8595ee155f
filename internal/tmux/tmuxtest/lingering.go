package tmuxtest

import (
	"errors"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Lingering gives a descriptor that does not let itself be closed by whoever has it last: a TCP connection
// that lingers (socket(7)) and has sent what nobody reads. It does once free was called, or at the end of the test.
func Lingering(t testing.TB) (fd int, free func()) {
	t.Helper()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.SetsockoptInt(l, unix.SOL_SOCKET, unix.SO_RCVBUF, 1), unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(l, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	at, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<15), unix.Connect(c, at))
	}
	if err != nil {
		t.Fatal(err)
	}
	peer, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC) // nothing of it is ever read
	if err != nil {
		t.Fatal(err)
	}
	free = sync.OnceFunc(func() { _ = unix.Close(peer) })
	t.Cleanup(free)
	for err == nil {
		err = unix.Sendto(c, make([]byte, 1<<16), unix.MSG_DONTWAIT, nil)
	}
	if err := unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1000}); err != nil {
		t.Fatal(err)
	}
	return c, free
}
