package identity

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/procfs"
)

// heldProcess is a process that is held by a pidfd of its own, longer than any
// connection of it: its id is nobody else's as long as it has not ended, and whether it
// has, the kernel says without a look at /proc.
type heldProcess struct {
	process
	pidfd *os.File
}

// hold keeps the process of a peer beyond its connection.
func hold(p *Peer) (*heldProcess, error) {
	if p.pidfd == nil {
		return nil, errors.New("this kernel has no pidfd (Linux 5.3): nobody comes in by an sshd of the host")
	}
	self, err := processOf(p)
	if err != nil {
		return nil, err
	}
	fd, err := passed.Copy(p.pidfd)
	if err != nil {
		return nil, fmt.Errorf("hold the process that connected: %w", err)
	}
	return &heldProcess{self, os.NewFile(uintptr(fd), "pidfd")}, nil // it does not block: see Peer.hold
}

// holdByID holds a process that was seen in /proc.
func holdByID(p process) (*heldProcess, error) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return nil, fmt.Errorf("hold process %d: %w", p.pid, err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or watch would cost a thread
		_ = unix.Close(fd)
		return nil, fmt.Errorf("hold process %d: %w", p.pid, err)
	}
	h := &heldProcess{p, os.NewFile(uintptr(fd), "pidfd")}
	// If it still has not ended, the one that began then is the one that we hold.
	st, err := procfs.ReadStat(p.pid)
	if err == nil && st.Start != p.start {
		err = errEnded
	}
	if err == nil {
		var ended bool
		if ended, err = h.ended(); ended {
			err = errEnded
		}
	}
	if err != nil {
		h.close()
		return nil, fmt.Errorf("hold process %d: %w", p.pid, err)
	}
	return h, nil
}

var errEnded = errors.New("it has ended")

// ended reports whether the process has ended for sure. With an error nobody knows.
func (h *heldProcess) ended() (ended bool, err error) {
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return false, err
	}
	cerr := raw.Control(func(fd uintptr) { ended, err = pollEnded(int(fd)) })
	if err = errors.Join(cerr, err); err != nil {
		return false, fmt.Errorf("ask whether process %d has ended: %w", h.pid, err)
	}
	return ended, nil
}

func pollEnded(fd int) (bool, error) {
	for {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return err == nil && p[0].Revents&unix.POLLIN != 0, err
		}
	}
}

// watch calls f once the process has ended, unless it was let go of before. It may be
// that nobody tells us: who has to know, asks now and then.
func (h *heldProcess) watch(f func()) {
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return
	}
	go func() {
		ended := false
		_ = raw.Read(func(fd uintptr) bool { // an error is close, or that the kernel tells us nothing
			ended, _ = pollEnded(int(fd))
			return ended
		})
		if ended {
			f()
		}
	}()
}

// close lets go of the process.
func (h *heldProcess) close() { _ = h.pidfd.Close() } // nothing was written
