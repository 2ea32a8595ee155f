package attach

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Bounds of a terminal's size as tmux hears of it (demand D10). A size of zero
// means that nobody knows, and is taken as tmux takes it: 80 by 24.
const (
	MaxCols = 1000
	MaxRows = 500
	// MinRows is how many lines tmux's status may take (tmux(1), option status). The display of
	// everybody but an owner at home has as many at least.
	MinRows = 5
)

// Size is a terminal's size in characters.
type Size struct{ Cols, Rows int }

// Clamp returns the size within bounds.
func (s Size) Clamp() Size {
	if s.Cols <= 0 {
		s.Cols = 80
	}
	if s.Rows <= 0 {
		s.Rows = 24
	}
	more := loose()
	return Size{min(s.Cols, more*MaxCols), min(s.Rows, more*MaxRows)}
}

// Window is a terminal's size as the kernel has it (ioctl_tty(2), TIOCGWINSZ): Width and Height are
// in pixels, 0 if the terminal does not say. tmux tells programs of them, and places images by them.
type Window struct {
	Size
	Width, Height int
}

// Clamp returns the size within bounds. Pixels belong to the characters that were said, and are 0 with others.
func (w Window) Clamp() Window {
	size := w.Size.Clamp()
	if size != w.Size || w.Width <= 0 || w.Height <= 0 || w.Width > math.MaxUint16 || w.Height > math.MaxUint16 {
		return Window{Size: size}
	}
	return w
}

// Pty is the terminal that a tmux server draws one person's display on. We
// hold the master; the server gets the slave, from [Pty.Peer].
//
// Methods may be called from any goroutine, except Read and TryRead, which
// belong to one reader, and AwaitWrite, which belongs to one writer.
type Pty struct{ device }

// OpenPty opens a new pair of this size (clamped), in raw mode: nothing that
// we write is echoed, not even before tmux has set its own modes.
func OpenPty(size Size) (*Pty, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a terminal for the display: %w (see kernel.pty.max)", err)
	}
	p := new(Pty)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("unlock the display's terminal: %w", err)
	}
	if err := p.open(fd, "display"); err != nil {
		return nil, err
	}
	if err := p.setUp(size); err != nil {
		p.Close()
		return nil, err
	}
	p.alone = true // and it is in non-blocking mode from here on
	return p, nil
}

func (p *Pty) setUp(size Size) error {
	err := p.control(func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		makeRaw(t)
		return errors.Join(unix.SetNonblock(fd, true), unix.IoctlSetTermios(fd, unix.TCSETS, t))
	})
	if err != nil {
		return fmt.Errorf("set the display's modes: %w", err)
	}
	return p.SetSize(Window{Size: size})
}

// Erase sets the erase character that tmux takes for the backspace key: the
// one of the person's own terminal.
func (p *Pty) Erase(c byte) error {
	return p.control(func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil || t.Cc[unix.VERASE] == c { // tmux may be setting the modes: what is right is not written
			return err
		}
		t.Cc[unix.VERASE] = c
		return unix.IoctlSetTermios(fd, unix.TCSETS, t)
	})
}

// Peer opens the slave, for the tmux server. The caller owns it, and should
// close it once it is passed on: as long as any copy is open here, the end of
// the server cannot be seen.
func (p *Pty) Peer() (*os.File, error) {
	var peer int
	err := p.control(func(fd int) error {
		// The ioctl takes open flags by value.
		r, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER,
			unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if e != 0 {
			return fmt.Errorf("open the display's other end: %w", e)
		}
		peer = int(r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(peer), "display peer"), nil
}

// SetSize sets the size, clamped. The tmux server reads it when it is told of
// a resize.
func (p *Pty) SetSize(w Window) error {
	w = w.Clamp()
	ws := &unix.Winsize{Col: uint16(w.Cols), Row: uint16(w.Rows), Xpixel: uint16(w.Width), Ypixel: uint16(w.Height)}
	return p.control(func(fd int) error {
		if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws); err != nil {
			return fmt.Errorf("set the display's size: %w", err)
		}
		return nil
	})
}

// Window returns the size as last set.
func (p *Pty) Window() (w Window, err error) {
	err = p.control(func(fd int) (err error) {
		w, err = windowOf(fd)
		return err
	})
	return w, err
}

func windowOf(fd int) (Window, error) {
	ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return Window{}, err
	}
	return Window{Size{int(ws.Col), int(ws.Row)}, int(ws.Xpixel), int(ws.Ypixel)}, nil
}

// FlushInput throws away what was written and the tmux server has not read:
// after it returned, none of that is typed. It goes through the slave, since
// only there the kernel forgets both of its queues.
func (p *Pty) FlushInput() error {
	peer, err := p.Peer()
	if err != nil {
		return gone(err)
	}
	defer peer.Close()
	conn, err := peer.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := conn.Control(func(fd uintptr) {
		ferr = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIFLUSH)
	}); err != nil {
		return err
	}
	return gone(ferr)
}

// gone makes it no error that the display was closed: its queues are gone, too.
func gone(err error) error {
	if err == nil || errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EIO) {
		return nil
	}
	return fmt.Errorf("flush the display's input: %w", err)
}

// makeRaw sets the modes that a tmux server sets on its client's terminal.
func makeRaw(t *unix.Termios) {
	t.Iflag &^= unix.IXON | unix.IXOFF | unix.ICRNL | unix.INLCR | unix.IGNCR | unix.IMAXBEL | unix.ISTRIP
	t.Iflag |= unix.IGNBRK
	t.Oflag &^= unix.OPOST | unix.ONLCR | unix.OCRNL | unix.ONLRET
	t.Lflag &^= unix.IEXTEN | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHONL |
		unix.ECHOCTL | unix.ECHOPRT | unix.ECHOKE | unix.ISIG
	t.Cc[unix.VMIN] = 1
	t.Cc[unix.VTIME] = 0
}
