package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/test/host"
)

// descriptors calls each with a descriptor of our own of everything that a
// process has open.
func descriptors(t *testing.T, pid int, each func(fd int)) {
	t.Helper()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		num, _ := strconv.Atoi(e.Name())
		fd, err := unix.PidfdGetfd(pidfd, num, 0)
		if err != nil {
			continue // it was closed meanwhile
		}
		each(fd)
		_ = unix.Close(fd)
	}
}

// links calls each with every socket that connects muxward to a tmux server,
// and its inode. Control connections and displays are no processes that could be
// killed, and this is how one gets at them.
func links(t *testing.T, h *host.Host, server host.Server, each func(fd int, inode uint64)) {
	t.Helper()
	// tmux listens where it believes its socket to be.
	bound := filepath.Join(h.Doors, "in-"+filepath.Base(filepath.Dir(server.Socket)), "s")
	descriptors(t, h.Daemon(), func(fd int) {
		var st unix.Stat_t
		peer, err := unix.Getpeername(fd)
		a, ok := peer.(*unix.SockaddrUnix)
		if err == nil && ok && a.Name == bound && unix.Fstat(fd, &st) == nil {
			each(fd, st.Ino)
		}
	})
}

// linked lists the sockets that connect muxward to a tmux server.
func linked(t *testing.T, h *host.Host, server host.Server) map[uint64]bool {
	t.Helper()
	all := map[uint64]bool{}
	links(t, h, server, func(_ int, inode uint64) { all[inode] = true })
	return all
}

// cut shuts down the sockets that connect muxward to a tmux server, but for
// those that are spared, and counts them.
func cut(t *testing.T, h *host.Host, server host.Server, spared map[uint64]bool) (n int) {
	t.Helper()
	links(t, h, server, func(fd int, inode uint64) {
		if !spared[inode] && unix.Shutdown(fd, unix.SHUT_RDWR) == nil {
			n++
		}
	})
	return n
}

// displays has somebody attach and gives the sockets that came with it, so that
// what is cut can be the connection by which keys are typed, and not theirs.
func displays(t *testing.T, h *host.Host, server host.Server, attach func()) map[uint64]bool {
	t.Helper()
	before := linked(t, h, server)
	attach()
	theirs := linked(t, h, server)
	for inode := range before {
		delete(theirs, inode)
	}
	return theirs
}
