package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// connectTime is how long a connection to a server may take whatever its
// context says: a stopped server has a full backlog for as long as it likes.
// People hear within five seconds that it does not answer.
const connectTime = 4 * time.Second

// errNotTheServer is the error of a socket behind which somebody else listens.
var errNotTheServer = errors.New("another process than the server we started listens there")

// dialAt connects to the socket name in dir as uid, and makes sure that the
// process pid is the one that listens.
func dialAt(ctx context.Context, dir *os.File, name string, uid uint32, pid int) (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := connectAs(procPath(dir)+"/"+name, uid)
		if err == nil {
			return checkListener(conn, uid, pid)
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("it accepts nobody (is it stopped?): %w", ctx.Err())
		}
	}
}

// checkListener: credentials of a connected socket are those of the process
// that called listen(2).
func checkListener(conn *net.UnixConn, uid uint32, pid int) (*net.UnixConn, error) {
	raw, err := conn.SyscallConn()
	if err == nil {
		var cred *unix.Ucred
		var inner error
		err = raw.Control(func(fd uintptr) {
			cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		})
		if err = errors.Join(err, inner); err == nil && (int(cred.Pid) != pid || cred.Uid != uid) {
			err = fmt.Errorf("%w (process %d of uid %d, not %d of %d)", errNotTheServer, cred.Pid, cred.Uid, pid, uid)
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// connectAs connects with uid as the effective uid, without waiting. EAGAIN
// means that the backlog is full.
func connectAs(path string, uid uint32) (*net.UnixConn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	do := func() error { return connect(fd, path) }
	if me := uint32(os.Geteuid()); me != uid {
		err = withEUID(uid, me, do)
	} else {
		err = do()
	}
	if err != nil {
		return nil, err
	}
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

func connect(fd int, path string) error {
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err != unix.EINTR {
			return err
		}
	}
}

// withEUID runs do on a thread of its own whose effective uid is uid. The raw
// system call changes one thread, where the library's would change all. The
// thread can signal and trace no more than before, as its real and saved uids
// stay; if it could not be changed back it would be thrown away.
func withEUID(uid, back uint32, do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := setEUID(uid); err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("become uid %d: %w", uid, err)
			return
		}
		err := do()
		if setEUID(back) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine
		done <- err
	}()
	return <-done
}

func setEUID(uid uint32) error {
	_, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0))
	if e != 0 {
		return e
	}
	return nil
}
