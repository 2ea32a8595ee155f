package keep

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
)

// dial connects to a socket that is pinned as uid, and makes sure that the process pid is
// the one that listens. It does not wait: a stopped server has a full backlog for as long
// as it likes. No path of the account's is gone through: it could lead elsewhere, or to
// where nothing answers.
func dial(sock *os.File, uid uint32, pid int) (*os.File, error) {
	conn, err := connectAs(procPath(sock), uid)
	switch {
	case err == nil:
		return checkListener(conn, uid, pid)
	case errors.Is(err, unix.EAGAIN):
		return nil, ErrBusy
	case errors.Is(err, unix.ECONNREFUSED):
		return nil, ErrNobody
	}
	return nil, err
}

// checkListener: credentials of a connected socket are those of the process
// that called listen(2).
func checkListener(conn *os.File, uid uint32, pid int) (*os.File, error) {
	cred, err := unix.GetsockoptUcred(int(conn.Fd()), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err == nil && (int(cred.Pid) != pid || cred.Uid != uid) {
		err = fmt.Errorf("%w (process %d of uid %d, not %d of %d)", ErrNotTheServer, cred.Pid, cred.Uid, pid, uid)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// connectAs connects with uid as the effective uid, without waiting. EAGAIN
// means that the backlog is full.
func connectAs(path string, uid uint32) (*os.File, error) {
	if uid == accounts.NoID { // setresuid(2) would leave us who we are
		return nil, unix.EINVAL
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "socket")
	do := func() error { return connect(fd, path) }
	if me := uint32(os.Geteuid()); me != uid {
		err = withEUID(uid, me, do)
	} else {
		err = do()
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
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
