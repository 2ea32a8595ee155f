package attach

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAway is returned by operations on a terminal that was left or not entered.
var ErrAway = errors.New("the terminal is not attached")

// longAgo is a deadline that ends whatever waits.
var longAgo = time.Unix(1, 0)

// device is a terminal's descriptor in the runtime's poller. A read waits
// there; a write never waits; each system call is made under a lock, so that
// whoever holds it knows that none is under way.
type device struct {
	file *os.File
	conn syscall.RawConn
	fd   int // valid while shut is false, under either lock

	rmu    sync.Mutex  // held around each read(2)
	wmu    sync.Mutex  // held around each write(2)
	away   atomic.Bool // no read or write begins
	shut   bool        // under rmu and wmu
	rbuf   []byte      // the running read's, as the next three
	before func()
	rn     int
	rerr   error
	readFn func(uintptr) bool
	waitFn func(uintptr) bool
}

// open takes over a descriptor that is in non-blocking mode.
func (d *device) open(fd int, name string) error {
	d.file, d.fd = os.NewFile(uintptr(fd), name), fd
	if err := d.file.SetDeadline(time.Time{}); err != nil {
		d.file.Close()
		return fmt.Errorf("%s: cannot be waited for: %w", name, err)
	}
	conn, err := d.file.SyscallConn()
	if err != nil {
		d.file.Close()
		return fmt.Errorf("%s: %w", name, err)
	}
	d.conn = conn
	d.readFn, d.waitFn = d.readOnce, d.writable
	return nil
}

// readOnce is one try; false asks the poller to wait.
func (d *device) readOnce(uintptr) bool {
	d.rmu.Lock()
	defer d.rmu.Unlock()
	if d.away.Load() || d.shut {
		d.rn, d.rerr = 0, ErrAway
		return true
	}
	if d.before != nil {
		d.before()
	}
	for {
		d.rn, d.rerr = unix.Read(d.fd, d.rbuf)
		if d.rerr != unix.EINTR {
			return d.rerr != unix.EAGAIN
		}
	}
}

// Read waits for bytes, the read deadline, or the end. The end, however the
// kernel tells it, is io.EOF. before, if not nil, is called directly before
// each try. Only one goroutine may read.
func (d *device) Read(p []byte, before func()) (int, error) {
	d.rbuf, d.before, d.rn, d.rerr = p, before, 0, nil
	err := d.conn.Read(d.readFn)
	d.rbuf, d.before = nil, nil
	if err != nil {
		return 0, err
	}
	return ended(d.rn, d.rerr)
}

// TryRead reads what is there now, (0, nil) if nothing is. It is for the
// goroutine that reads.
func (d *device) TryRead(p []byte) (int, error) {
	d.rbuf = p
	again := !d.readOnce(0)
	d.rbuf = nil
	if again {
		return 0, nil
	}
	return ended(d.rn, d.rerr)
}

func ended(n int, err error) (int, error) {
	switch {
	case err == unix.EIO, n == 0 && err == nil:
		return 0, io.EOF
	case err != nil:
		return 0, err
	}
	return n, nil
}

// TryWrite writes what is taken now, which may be nothing, and never waits.
func (d *device) TryWrite(p []byte) (int, error) {
	d.wmu.Lock()
	defer d.wmu.Unlock()
	if d.away.Load() || d.shut {
		return 0, ErrAway
	}
	return tryWrite(d.fd, p)
}

func tryWrite(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Write(fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return max(n, 0), nil
		case err == unix.EIO:
			return 0, io.EOF
		default:
			return max(n, 0), err
		}
	}
}

// AwaitWrite waits until TryWrite may take something, at most for d; running
// out of time is not an error. Only one goroutine may wait.
func (d *device) AwaitWrite(limit time.Duration) error {
	if err := d.file.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	err := d.conn.Write(d.waitFn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// writable is one look. The poller tells of changes only, so it must be asked
// after the poller began to listen, which is why this does not just wait.
func (d *device) writable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err != nil && err != unix.EINTR || n > 0
}

// SetReadDeadline ends a waiting Read at t; the zero time ends none.
func (d *device) SetReadDeadline(t time.Time) error { return d.file.SetReadDeadline(t) }

// Close gives the descriptor back. A read or wait under way ends.
func (d *device) Close() error {
	d.rmu.Lock()
	d.wmu.Lock()
	was := d.shut
	d.shut = true
	d.wmu.Unlock()
	d.rmu.Unlock()
	if was {
		return nil
	}
	return d.file.Close()
}

// control runs f on the descriptor unless it was closed.
func (d *device) control(f func(fd int) error) error {
	var err error
	if d.conn.Control(func(fd uintptr) { err = f(int(fd)) }) != nil {
		return os.ErrClosed // the only reason there is
	}
	return err
}
