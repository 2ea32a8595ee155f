package procfs

import "golang.org/x/sys/unix"

// Accepted gives who is at the other end of a connection that was accepted at a path
// (unix(7), SO_PEERCRED); nil for any other descriptor. The descriptor stays the
// caller's. It proves nobody: it is to tell of who is connected to somebody else.
func Accepted(fd int, path string) *unix.Ucred {
	at, err := unix.Getsockname(fd)
	if a, ok := at.(*unix.SockaddrUnix); err != nil || !ok || a.Name != path {
		return nil
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens != 0 {
		return nil
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Uid == ^uint32(0) { // bound, and neither connected nor listening
		return nil
	}
	return cred
}
