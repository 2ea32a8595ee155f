package sockets

import (
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

// probed is what came of knocking at a socket.
type probed struct {
	err error
	pid int // of who listens; 0 if it cannot be seen from here
}

// maxKnockers is how many are kept to be used again.
const maxKnockers = 16

// knockers are sockets to knock with. One that was refused is as it was before, and
// knocks again: where much is dead, to make one for each is most of the work.
type knockers struct {
	mu    sync.Mutex
	free  []int
	ended bool
	// near: the directory that this process works in is that of its open files.
	near bool
}

// toFDs makes the directory of this process's open files the one that it works in, from
// where the way to what is held is the shortest. It is for processes that only look, and
// go by no other relative path.
func toFDs() bool { return unix.Chdir("/proc/self/fd") == nil }

// name names what is held, for connect(2).
func (k *knockers) name(fd int) string {
	if k.near {
		return strconv.Itoa(fd)
	}
	return procFD(fd)
}

// probe connects, asks the kernel who listens, and closes: nothing is sent. It
// never waits. The way goes by the descriptor, so it is this file and no other
// that is knocked at, however long its path.
func (k *knockers) probe(at int) probed {
	fd, err := k.take()
	if err != nil {
		return probed{err: err}
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: k.name(at)}); err != nil {
		k.give(fd, err == unix.ECONNREFUSED)
		return probed{err: err}
	}
	defer passed.Quit(fd) // whoever listens may have put something into it
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return probed{} // somebody listens, whoever it is
	}
	return probed{pid: int(cred.Pid)}
}

// probe knocks once.
func probe(at int) probed { return (&knockers{ended: true}).probe(at) }

func (k *knockers) take() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.free); n > 0 {
		fd := k.free[n-1]
		k.free = k.free[:n-1]
		return fd, nil
	}
	return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func (k *knockers) give(fd int, again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if again && !k.ended && len(k.free) < maxKnockers {
		k.free = append(k.free, fd)
		return
	}
	_ = unix.Close(fd)
}

// end closes what is kept, and what comes back later: who hangs comes back at any time.
func (k *knockers) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	for _, fd := range k.free {
		_ = unix.Close(fd)
	}
	k.free = nil
}
