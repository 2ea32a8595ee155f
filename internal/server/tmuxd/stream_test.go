package tmuxd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/tmux/wire"
)

func opened(t *testing.T, path string, flags int) int {
	t.Helper()
	return mine(t)(unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0))
}

// mine closes a descriptor at the end of the test.
func mine(t *testing.T) func(int, error) int {
	return func(fd int, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
}

func both(t *testing.T, fds [2]int, err error) [2]int {
	t.Helper()
	return [2]int{mine(t)(fds[0], err), mine(t)(fds[1], err)}
}

func sockets(t *testing.T, kind int) [2]int {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	return both(t, fds, err)
}

func pipes(t *testing.T) [2]int {
	t.Helper()
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC)
	return both(t, fds, err)
}

// service is somebody who listens at a name, and the two ends of a connection
// to them.
func service(t *testing.T, kind int, at unix.Sockaddr) [2]int {
	t.Helper()
	family := unix.AF_UNIX
	if _, ok := at.(*unix.SockaddrInet4); ok {
		family = unix.AF_INET
	}
	end := func() int { return mine(t)(unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	there, here := end(), end()
	must(unix.Bind(there, at))
	if family == unix.AF_INET {
		var err error
		at, err = unix.Getsockname(there) // with its port
		must(err)
	}
	if kind == unix.SOCK_DGRAM {
		must(unix.Connect(here, at))
		return [2]int{there, here}
	}
	must(unix.Listen(there, 1))
	must(unix.Connect(here, at))
	accepted, _, err := unix.Accept4(there, unix.SOCK_CLOEXEC)
	return [2]int{mine(t)(accepted, err), here}
}

func terminals(t *testing.T) (master, slave int) {
	t.Helper()
	master = opened(t, "/dev/ptmx", unix.O_RDWR)
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return master, opened(t, fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR)
}

// taken takes over a descriptor that stays the test's.
func taken(t *testing.T, fd, way int) (*stream, error) {
	t.Helper()
	passed := wire.NewFD(mine(t)(unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)))
	s, err := takeOver(passed, "standard stream", way)
	if err == nil {
		t.Cleanup(func() { _ = s.file.Close() })
	}
	return s, err
}

// What kind of descriptor a client passes is looked at: nobody is waited for,
// and nobody takes what is written for muxward's word.
func TestTakeOver(t *testing.T) {
	if _, err := takeOver(nil, "standard input", unix.O_RDONLY); err == nil {
		t.Error("none was taken")
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	memory := mine(t)(unix.MemfdCreate("memory", unix.MFD_CLOEXEC))
	named := func(name string) unix.Sockaddr { return &unix.SockaddrUnix{Name: name} }
	stream := service(t, unix.SOCK_STREAM, named(filepath.Join(dir, "stream")))
	datagrams := service(t, unix.SOCK_DGRAM, named(filepath.Join(dir, "datagram")))
	// A name that begins like none at all.
	abstract := service(t, unix.SOCK_STREAM, named(fmt.Sprintf("@\x00muxward-%d", os.Getpid())))
	tcp := service(t, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	_, tty := terminals(t)
	through := pipes(t)
	for what, c := range map[string]struct {
		fd, way int
		ok      bool
	}{
		"/dev/null":                   {opened(t, "/dev/null", unix.O_RDWR), unix.O_WRONLY, true},
		"another device":              {opened(t, "/dev/zero", unix.O_RDWR), unix.O_RDONLY, false},
		"a terminal":                  {tty, unix.O_WRONLY, true},
		"a terminal's path":           {opened(t, "/dev/ptmx", unix.O_PATH), unix.O_WRONLY, false},
		"a file":                      {memory, unix.O_WRONLY, true},
		"a file of no disk":           {opened(t, "/proc/self/status", unix.O_RDONLY), unix.O_RDONLY, false},
		"a file's path":               {opened(t, fmt.Sprintf("/proc/self/fd/%d", memory), unix.O_PATH), unix.O_RDONLY, false},
		"a directory":                 {opened(t, dir, unix.O_RDONLY), unix.O_RDONLY, false},
		"a pipe to read":              {through[0], unix.O_RDONLY, true},
		"a pipe to write":             {through[1], unix.O_WRONLY, true},
		"the wrong end to read":       {through[1], unix.O_RDONLY, false},
		"the wrong end to write":      {through[0], unix.O_WRONLY, false},
		"a fifo's path":               {opened(t, fifo, unix.O_PATH), unix.O_RDONLY, false},
		"a pair of streams":           {sockets(t, unix.SOCK_STREAM)[0], unix.O_WRONLY, true},
		"a pair of datagrams":         {sockets(t, unix.SOCK_DGRAM)[0], unix.O_WRONLY, false},
		"a pair of packets":           {sockets(t, unix.SOCK_SEQPACKET)[0], unix.O_WRONLY, false},
		"datagrams to a service":      {datagrams[1], unix.O_WRONLY, false},
		"a stream to a service":       {stream[1], unix.O_WRONLY, false},
		"a stream to an odd service":  {abstract[1], unix.O_WRONLY, false},
		"a service's stream":          {stream[0], unix.O_WRONLY, false},
		"a service's datagram":        {datagrams[0], unix.O_WRONLY, false},
		"a socket that leads nowhere": {mine(t)(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)), unix.O_WRONLY, false},
		"the network":                 {tcp[1], unix.O_WRONLY, false},
	} {
		if _, err := taken(t, c.fd, c.way); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		} else if err != nil && !strings.Contains(err.Error(), "| cat") {
			t.Errorf("%s: nobody is told what to do: %v", what, err)
		}
	}
}

// number is a stream's descriptor. File.Fd may change its flags.
func number(t *testing.T, s *stream) (n int) {
	t.Helper()
	raw, err := s.file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n = int(fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// atOnce gives what call does, and fails if it waits. release lets it go then.
func atOnce(t *testing.T, call func() (int, error), release func()) (int, error) {
	t.Helper()
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := call()
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-time.After(30 * time.Second):
		t.Error("it waits")
		release()
		r := <-done
		return r.n, r.err
	}
}

// Whoever shares a stream can make it one that blocks; we do not wait. A pipe's
// flags are left as they are.
func TestStreamNeverWaits(t *testing.T) {
	pair, through := sockets(t, unix.SOCK_STREAM), pipes(t)
	blocking := func(fd int) {
		t.Helper()
		if err := unix.SetNonblock(fd, false); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct{ in, out [2]int }{ // ours, and the other end
		"a socket": {pair, [2]int{pair[1], pair[0]}},
		"a pipe":   {through, [2]int{through[1], through[0]}},
	} {
		in, err := taken(t, c.in[0], unix.O_RDONLY)
		if err != nil {
			t.Fatal(what, err)
		}
		out, err := taken(t, c.out[0], unix.O_WRONLY)
		if err != nil {
			t.Fatal(what, err)
		}
		if flags, err := unix.FcntlInt(uintptr(c.in[0]), unix.F_GETFL, 0); err != nil || what == "a pipe" && flags&unix.O_NONBLOCK != 0 {
			t.Errorf("%s: the flags are %#o, %v", what, flags, err)
		}
		blocking(c.in[0])
		blocking(c.out[0])
		from, to := number(t, in), number(t, out)
		n, err := atOnce(t, func() (int, error) { return in.tryRead(from, make([]byte, 8)) },
			func() { _, _ = unix.Write(c.in[1], []byte("x")) })
		if n != 0 || !errors.Is(err, unix.EAGAIN) {
			t.Errorf("%s: read %d, %v", what, n, err)
		}
		all := 0
		_, err = atOnce(t, func() (int, error) {
			for {
				n, err := out.tryWrite(to, make([]byte, oneWrite))
				if err != nil {
					return 0, err
				}
				all += n
			}
		}, func() { _ = unix.Shutdown(c.out[1], unix.SHUT_RDWR); _, _ = unix.Read(c.out[1], make([]byte, 1<<20)) })
		if !errors.Is(err, unix.EAGAIN) || all == 0 {
			t.Errorf("%s: wrote %d, %v", what, all, err)
		}
	}
}

// A call on a terminal that was made to block between our look and the call is
// freed.
func TestTerminalIsFreed(t *testing.T) {
	master, slave := terminals(t)
	if _, err := unix.Write(master, []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	n, err := atOnce(t, func() (int, error) {
		return freed(slave, unix.POLLIN, func() (int, error) {
			if err := unix.SetNonblock(slave, false); err != nil {
				return 0, err
			}
			if n, err := unix.Read(slave, make([]byte, 64)); n != 5 || err != nil {
				return n, fmt.Errorf("read a line: %w", err)
			}
			return unix.Read(slave, make([]byte, 64))
		})
	}, func() { _, _ = unix.Write(master, []byte("more\n")) })
	if n > 0 || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("read %d, %v", n, err)
	}
	n, err = atOnce(t, func() (int, error) {
		return freed(slave, unix.POLLOUT, func() (int, error) {
			if err := unix.SetNonblock(slave, false); err != nil {
				return 0, err
			}
			return unix.Write(slave, make([]byte, 1<<20))
		})
	}, func() { screen.Nudge(slave) })
	if n <= 0 || n >= 1<<20 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
}
