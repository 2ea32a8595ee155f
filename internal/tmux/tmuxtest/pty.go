package tmuxtest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openPTY opens a pseudo-terminal of the given size. The master honours
// deadlines.
func openPTY(cols, rows int) (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = master.Close()
		return nil, nil, fmt.Errorf("set up a pseudo-terminal: %w", err)
	}
	return master, slave, nil
}

// control runs an ioctl on f without taking it out of the runtime's poller.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// likeShell gives a terminal modes that are not those of a new one, as people's
// terminals have, so that it shows when somebody puts back what they guess.
func likeShell(f *os.File) (unix.Termios, error) {
	var tio *unix.Termios
	err := control(f, func(fd int) (err error) {
		if tio, err = unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return err
		}
		tio.Iflag |= unix.IUTF8
		tio.Cc[unix.VERASE], tio.Cc[unix.VWERASE] = 0x08, 0x1f
		return unix.IoctlSetTermios(fd, unix.TCSETS, tio)
	})
	if err != nil {
		return unix.Termios{}, fmt.Errorf("modes of a pseudo-terminal: %w", err)
	}
	return *tio, nil
}
