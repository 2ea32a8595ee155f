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

// device is a terminal's descriptor. A read waits until there is something; a
// write never waits; each system call is made under a lock, so that whoever
// holds it knows that none is under way.
type device struct {
	file *os.File // keeps the descriptor open, and is not in the poller: see readiness
	conn syscall.RawConn
	fd   int // valid while shut is false, under either lock
	come *readiness
	room *readiness // under wmu; nil until a write had to wait
	// alone is set if nobody else holds this open file description: nobody can have
	// a call wait that was asked not to.
	alone bool

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

// open takes over a descriptor. What is not in non-blocking mode yet is not
// put in the runtime's poller by os.NewFile.
func (d *device) open(fd int, name string) error {
	d.file, d.fd = os.NewFile(uintptr(fd), name), fd
	conn, err := d.file.SyscallConn()
	if err != nil {
		d.file.Close()
		return fmt.Errorf("%s: %w", name, err)
	}
	if d.come, err = watch(fd, unix.EPOLLIN); err != nil {
		d.file.Close()
		return fmt.Errorf("%s: cannot be waited for: %w", name, err)
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
		d.rn, d.rerr = d.read(d.rbuf)
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
	err := d.come.until(d.readFn)
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
	return d.tryWrite(p)
}

func (d *device) tryWrite(p []byte) (int, error) {
	for {
		n, err := d.write(p)
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

// read and write are one system call each.
func (d *device) read(p []byte) (int, error) {
	if d.alone {
		return ReadAtOnce(d.fd, p)
	}
	return unix.Read(d.fd, p)
}

func (d *device) write(p []byte) (int, error) {
	if d.alone {
		return WriteAtOnce(d.fd, p)
	}
	return unix.Write(d.fd, p)
}

// AwaitWrite waits until TryWrite may take something, at most for d; running
// out of time is not an error. Only one goroutine may wait.
func (d *device) AwaitWrite(limit time.Duration) error {
	room, err := d.awaited(unix.EPOLLOUT)
	if err != nil {
		return err
	}
	err = room.deadline(time.Now().Add(limit))
	if err == nil {
		err = room.until(d.waitFn)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	if _, quiet := d.awaited(0); err == nil { // or each write from here on would wake somebody
		err = quiet
	}
	return err
}

// awaited has events of the descriptor told, besides its end, to who waits to write.
func (d *device) awaited(events uint32) (*readiness, error) {
	d.wmu.Lock()
	defer d.wmu.Unlock()
	if d.shut {
		return nil, os.ErrClosed
	}
	if d.room != nil {
		return d.room, d.room.ctl(unix.EPOLL_CTL_MOD, events)
	}
	room, err := watch(d.fd, events)
	if err == nil {
		d.room = room
	}
	return room, err
}

// writable is one look. What is waited for tells of changes only, so it must be
// asked after that began, which is why this does not just wait.
func (d *device) writable(uintptr) bool {
	d.wmu.Lock()
	defer d.wmu.Unlock()
	if d.shut {
		return true
	}
	fds := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err != nil && err != unix.EINTR || n > 0
}

// SetReadDeadline ends a waiting Read at t; the zero time ends none.
func (d *device) SetReadDeadline(t time.Time) error { return d.come.deadline(t) }

// Close gives the descriptor back. A read or wait under way ends.
func (d *device) Close() error {
	d.rmu.Lock()
	d.wmu.Lock()
	was, room := d.shut, d.room
	d.shut = true
	d.wmu.Unlock()
	d.rmu.Unlock()
	if was {
		return nil
	}
	d.come.close()
	if room != nil {
		room.close()
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
