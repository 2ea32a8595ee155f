package sshd

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// valve is a client's network connection that is shut at will: the client goes on,
// and nothing of what it does comes through.
type valve struct {
	net.Conn
	small bool // of what is not read little is taken

	mu      sync.Mutex
	cond    *sync.Cond
	writes  int // how many more are let through; below 0: any number
	reading bool
}

func newValve(small bool) *valve {
	v := &valve{small: small, writes: -1, reading: true}
	v.cond = sync.NewCond(&v.mu)
	return v
}

func (v *valve) control(_, _ string, raw syscall.RawConn) (err error) {
	if !v.small {
		return nil
	}
	if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) }); cerr != nil {
		return cerr
	}
	return err
}

// shut lets so many more writes through, and then none until it is opened.
func (v *valve) shut(writes int) { v.set(writes, true) }

// deaf has nothing read until it is opened.
func (v *valve) deaf() { v.set(-1, false) }

func (v *valve) open() { v.set(-1, true) }

func (v *valve) set(writes int, reading bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes, v.reading = writes, reading
	v.cond.Broadcast()
}

func (v *valve) Write(p []byte) (int, error) {
	v.mu.Lock()
	for v.writes == 0 {
		v.cond.Wait()
	}
	v.writes--
	v.mu.Unlock()
	return v.Conn.Write(p)
}

func (v *valve) Read(p []byte) (int, error) {
	v.mu.Lock()
	for !v.reading {
		v.cond.Wait()
	}
	v.mu.Unlock()
	return v.Conn.Read(p)
}
