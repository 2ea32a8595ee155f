package attach

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readiness is what a descriptor is waited for by: that it can be read, or that it can be
// written, and never both. The runtime's poller asks for both of each descriptor that it has,
// and so each write to a terminal whose other end reads at once wakes a thread that finds
// nothing to do, while tmux wants that processor. It is given this instead: an epoll(7) of
// one descriptor, which is ready when that is.
type readiness struct {
	file *os.File
	conn syscall.RawConn
	fd   int // of the descriptor that is waited for
	ep   int // valid until file is closed
}

// watch begins to wait for events of fd.
func watch(fd int, events uint32) (*readiness, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	r := &readiness{fd: fd, ep: ep}
	if err := errors.Join(r.ctl(unix.EPOLL_CTL_ADD, events), unix.SetNonblock(ep, true)); err != nil {
		unix.Close(ep)
		return nil, err
	}
	r.file = os.NewFile(uintptr(ep), "readiness") // non-blocking: it goes to the poller
	err = r.file.SetDeadline(time.Time{})
	if err == nil {
		r.conn, err = r.file.SyscallConn()
	}
	if err != nil {
		r.file.Close()
		return nil, err
	}
	return r, nil
}

func (r *readiness) ctl(op int, events uint32) error {
	if err := unix.EpollCtl(r.ep, op, r.fd, &unix.EpollEvent{Events: events, Fd: int32(r.fd)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// until has try called, now and whenever the descriptor may be ready, until that is true,
// the deadline comes, or it is closed.
func (r *readiness) until(try func(uintptr) bool) error { return r.conn.Read(try) }

func (r *readiness) deadline(at time.Time) error { return r.file.SetReadDeadline(at) }

// close ends who waits.
func (r *readiness) close() { _ = r.file.Close() }
