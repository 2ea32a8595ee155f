package screen

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Saved is what a terminal was like before we touched it.
type Saved struct {
	Termios unix.Termios
	// Flags are the file status flags (F_GETFL). They belong to the open file
	// description, which the person's shell shares.
	Flags int
}

// Save reads the modes of the terminal at fd.
func Save(fd int) (Saved, error) {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return Saved{}, fmt.Errorf("read the terminal's modes: %w", err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return Saved{}, fmt.Errorf("read the terminal's flags: %w", err)
	}
	return Saved{Termios: *t, Flags: flags}, nil
}

// GiveBack writes the bytes that put the screen back, sets the modes and flags
// as saved, and prints text (which must be safe to print) as a line. With
// discard, what was typed and what the terminal has not shown are thrown away
// first; without, the latter only if the terminal takes nothing more.
//
// It gives up writing at the deadline, but sets the modes and flags whatever
// happens before.
func (s Saved) GiveBack(fd int, undo []byte, discard bool, text string, deadline time.Time) error {
	errs := []error{setFlags(fd, s.Flags|unix.O_NONBLOCK)}
	if discard {
		errs = append(errs, unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH))
	} else if wait := time.Until(deadline) / 2; len(undo) > 0 && !ready(fd, wait) {
		errs = append(errs, unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH))
	}
	errs = append(errs, writeAll(fd, undo, deadline))
	errs = append(errs, unix.IoctlSetTermios(fd, unix.TCSETS, &s.Termios))
	if text != "" {
		errs = append(errs, writeAll(fd, []byte("\r"+text+"\r\n"), deadline))
	}
	errs = append(errs, setFlags(fd, s.Flags))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("give the terminal back: %w", err)
	}
	return nil
}

func setFlags(fd, flags int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}

// Nudge frees a read or write that blocks at fd in another thread although it
// must not: everybody who shares the open file description can switch off
// O_NONBLOCK at any time. A change of the modes makes the kernel look at the
// flag again, even a change to what they are.
func Nudge(fd int) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || setFlags(fd, flags|unix.O_NONBLOCK) != nil {
		return
	}
	if t, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, t)
	}
}

// ready waits until the terminal takes bytes, at most for d.
func ready(fd int, d time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, int(max(d.Milliseconds(), 0)))
	return err == nil && n > 0
}

func writeAll(fd int, p []byte, deadline time.Time) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		switch {
		case n > 0:
			p = p[n:]
		case err == unix.EAGAIN || err == unix.EINTR:
			left := time.Until(deadline)
			if left <= 0 {
				return errors.New("it takes no bytes")
			}
			ready(fd, left)
		case err != nil:
			return err
		}
	}
	return nil
}
