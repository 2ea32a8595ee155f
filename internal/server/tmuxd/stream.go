package tmuxd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/tmux/wire"
)

const (
	// oneWrite is how much is written at once, each time as it is permitted then.
	oneWrite = 4096
	// nudgeEvery is how often a call that blocks on a terminal is freed again.
	nudgeEvery = 20 * time.Millisecond
)

// stream is the standard input or output of a client in control mode. Others
// hold what is behind it, too, and may switch O_NONBLOCK off at any time; yet
// no read or write of ours waits for them.
type stream struct {
	file *os.File
	kind streamKind
}

type streamKind int

const (
	plain    streamKind = iota // a file or /dev/null, which keep nobody waiting
	pipe                       // opened anew, so that its flags are ours alone
	socket                     // asked not to wait with each call
	terminal                   // freed when it waits all the same
	foreign                    // a pipe that is not ours to open: asked not to wait with each call
)

// takeOver gives a stream of our own of what the client passed, if that is of a
// kind on which nobody can keep us waiting. way is O_RDONLY or O_WRONLY.
func takeOver(fd *wire.FD, what string, way int) (*stream, error) {
	n := fd.Int()
	if n < 0 {
		return nil, fmt.Errorf("control mode needs a %s", what)
	}
	kind, err := kindOf(n)
	own := -1
	if err == nil && kind == pipe {
		own, err = reopen(n, way)
		if errors.Is(err, errForeign) { // we are another account, and not root
			kind = foreign
			own, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
		}
	} else if err == nil {
		own, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
	}
	if err == nil && (kind == socket || kind == terminal || kind == foreign) {
		// The poller takes nothing else. The client's shell shares this flag;
		// tmux sets it, too, and its client clears it at the end.
		if err = unix.SetNonblock(own, true); err != nil {
			_ = unix.Close(own)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("control mode cannot use this %s: %w; give it a pipe, as in: cat | tmux -C ... | cat", what, err)
	}
	return &stream{os.NewFile(uintptr(own), what), kind}, nil
}

func kindOf(fd int) (streamKind, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return 0, err
	}
	if flags&unix.O_PATH != 0 {
		return 0, errors.New("it was opened as a path only")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return pipe, local(fd, unix.PIPEFS_MAGIC)
	case unix.S_IFSOCK:
		return socket, ofPair(fd)
	case unix.S_IFREG:
		return plain, local(fd)
	case unix.S_IFCHR:
		if isTerminal(fd) {
			return terminal, nil
		}
		if st.Rdev == unix.Mkdev(1, 3) { // /dev/null
			return plain, nil
		}
	}
	return 0, errors.New("it is neither a terminal, a pipe nor a file")
}

// local says whether fd is on a file system that waits for nothing but this
// host's disks. There is no end of those that do, so it is a list of those that
// do not.
func local(fd int, more ...uint32) error {
	const zfs = 0x2fc12fc1
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	known := append(more, unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC,
		unix.TMPFS_MAGIC, unix.F2FS_SUPER_MAGIC, zfs)
	if slices.Contains(known, uint32(fs.Type)) {
		return nil
	}
	return errors.New("its file system is not known to be local")
}

// ofPair says whether fd is one end of a pair of stream sockets. Whoever
// listens at a socket with a name may take what comes for the word of who
// writes it, and that would be us.
func ofPair(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	if kind != unix.SOCK_STREAM || !unnamed(fd, unix.SYS_GETSOCKNAME) || !unnamed(fd, unix.SYS_GETPEERNAME) {
		return errors.New("a socket has to be one end of a socketpair of streams")
	}
	return nil
}

// unnamed reports whether the unix socket that call asks for has no name. Only
// the length of the address tells that from every name there may be.
func unnamed(fd int, call uintptr) bool {
	var at unix.RawSockaddrUnix
	size := uint32(unsafe.Sizeof(at))
	_, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)))
	return errno == 0 && at.Family == unix.AF_UNIX && uintptr(size) == unsafe.Offsetof(at.Path)
}

// errForeign is the error of a pipe that we may not open anew.
var errForeign = errors.New("the pipe is somebody else's")

// unhurried gives an error that says what to do where the kernel has no way to ask a pipe
// not to wait (before Linux 6.4).
func unhurried(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("the pipe is another account's, and this kernel cannot be asked not to wait for it: %w", err)
	}
	return err
}

// reopen opens a pipe anew, for no more than the client itself may do with it.
func reopen(fd, way int) (int, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return -1, err
	}
	if mode := flags & unix.O_ACCMODE; mode != way && mode != unix.O_RDWR {
		return -1, errors.New("it is a pipe's other end")
	}
	own, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), way|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	switch {
	case errors.Is(err, unix.ENXIO):
		return -1, errors.New("nobody reads from the pipe")
	case errors.Is(err, unix.EACCES):
		return -1, errForeign
	case err != nil:
		return -1, fmt.Errorf("open the pipe: %w", err)
	}
	return own, nil
}

// read reads what is there, once something is.
func (s *stream) read(buf []byte) (int, error) {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	n := 0
	werr := raw.Read(func(fd uintptr) bool {
		n, err = s.tryRead(int(fd), buf)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case werr != nil:
		return 0, werr
	case errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// tryRead and tryWrite are one call each, which fails with EAGAIN rather than
// wait.
func (s *stream) tryRead(fd int, buf []byte) (n int, err error) {
	switch s.kind {
	case socket:
		n, _, err = unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	case foreign:
		n, err = unix.Preadv2(fd, [][]byte{buf}, -1, unix.RWF_NOWAIT)
		err = unhurried(err)
	case terminal:
		n, err = freed(fd, unix.POLLIN, func() (int, error) { return unix.Read(fd, buf) })
	default:
		n, err = unix.Read(fd, buf)
	}
	return max(n, 0), err
}

func (s *stream) tryWrite(fd int, data []byte) (n int, err error) {
	data = data[:min(len(data), oneWrite)]
	switch s.kind {
	case socket:
		n, err = unix.SendmsgN(fd, data, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	case foreign:
		n, err = unix.Pwritev2(fd, [][]byte{data}, -1, unix.RWF_NOWAIT)
		err = unhurried(err)
	case terminal:
		n, err = freed(fd, unix.POLLOUT, func() (int, error) { return unix.Write(fd, data) })
	default:
		n, err = unix.Write(fd, data)
	}
	if n <= 0 && err == nil {
		return 0, unix.EAGAIN
	}
	return max(n, 0), err
}

// freed makes a call on a terminal. Whoever shares it can switch O_NONBLOCK off
// even after we have set it, so the call is freed until it returns.
func freed(fd int, events int16, call func() (int, error)) (int, error) {
	if !ready(fd, events) {
		return 0, unix.EAGAIN
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, err
	}
	defer nudge(fd)()
	return call()
}

// nudge frees what blocks on a terminal, again and again until stop was called.
func nudge(fd int) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(nudgeEvery, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			screen.Nudge(fd)
			timer.Reset(nudgeEvery)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

func ready(fd int, events int16) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}
