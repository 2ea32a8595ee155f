package authkeys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/trusted"
)

// MaxFile is how large such a file may be.
const MaxFile = 1 << 20

// Read reads an account's ~/.ssh/authorized_keys, if nobody but the account
// and root could have written it, as sshd's StrictModes has it. Below the home directory
// no symbolic link is followed.
func Read(account accounts.Account) ([]byte, error) {
	at, name := unix.AT_FDCWD, account.Home
	for _, next := range []struct {
		name  string
		flags int
	}{
		{account.Home, unix.O_PATH | unix.O_DIRECTORY},
		{".ssh", unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW},
		{"authorized_keys", unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_NOFOLLOW},
	} {
		if at != unix.AT_FDCWD {
			name = filepath.Join(name, next.name)
		}
		fd, err := unix.Openat(at, next.name, next.flags|unix.O_CLOEXEC, 0)
		for errors.Is(err, unix.EINTR) { // where a network answers, signals of ours end it
			fd, err = unix.Openat(at, next.name, next.flags|unix.O_CLOEXEC, 0)
		}
		if at != unix.AT_FDCWD {
			_ = unix.Close(at)
		}
		if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
			return nil, fmt.Errorf("%s is a symbolic link, or no directory; it is not followed", name)
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		if err := keptBy(fd, name, account.UID); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
		at = fd
	}
	f := os.NewFile(uintptr(at), name)
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("%s has more than %d bytes", name, MaxFile)
	}
	return data, err
}

// keptBy refuses what others than an account and root could have written. A file with another name is refused as
// well, which is another question: the account may have linked to somebody's that is not theirs to show.
func keptBy(fd int, name string, uid uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if err := trusted.Root().And(uid, "the account").Held(fd, name, trusted.Itself); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink != 1 {
		return fmt.Errorf("%s has %d names: it may be somebody else's, who is not asked", name, st.Nlink)
	}
	return nil
}
