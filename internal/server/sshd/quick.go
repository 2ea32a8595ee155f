package sshd

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
)

// quick reads and writes a TCP connection as net does, but for one thing: of system calls
// that cannot wait, as the descriptor is in non-blocking mode and nobody else has it, the
// runtime is not told. It would wake the thread that looks after calls that wait, with each
// key and with each echo, which costs more than the call does.
type quick struct {
	conn    syscall.RawConn
	in, out call
}

// call is one direction.
type call struct {
	mu   sync.Mutex
	name string
	call func(fd int, p []byte) (int, error)
	p    []byte
	n    int
	err  error
	try  func(uintptr) bool
}

// newQuick is nil for what is no TCP connection.
func newQuick(nc net.Conn) *quick {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	q := &quick{conn: conn, in: call{name: "read", call: attach.ReadAtOnce}, out: call{name: "write", call: attach.WriteAtOnce}}
	q.in.try, q.out.try = q.in.once, q.out.once
	return q
}

// once is one system call; false asks the poller to wait.
func (c *call) once(fd uintptr) bool {
	for {
		if c.n, c.err = c.call(int(fd), c.p); c.err != unix.EINTR {
			return c.err != unix.EAGAIN
		}
	}
}

// run makes the call once there is something to read, or room to write.
func (c *call) run(wait func(func(uintptr) bool) error, p []byte) (int, error) {
	c.p = p
	err := wait(c.try)
	c.p = nil
	switch {
	case err != nil:
		return 0, err
	case c.err != nil:
		return 0, os.NewSyscallError(c.name, c.err)
	}
	return c.n, nil
}

func (q *quick) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	q.in.mu.Lock()
	defer q.in.mu.Unlock()
	n, err := q.in.run(q.conn.Read, p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// write writes all of p, or tells why not.
func (q *quick) write(p []byte) (n int, err error) {
	q.out.mu.Lock()
	defer q.out.mu.Unlock()
	for n < len(p) && err == nil {
		var more int
		more, err = q.out.run(q.conn.Write, p[n:])
		n += more
	}
	return n, err
}
