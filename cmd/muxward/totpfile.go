package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/siblings"
)

// totpFile is a file of secrets, and the account that muxward runs as beside muxward-helper,
// whose file it has to be then.
type totpFile struct {
	path    string
	account *accounts.Account // nil if there is none
}

// totpFile is the file that was given, or else that of the muxward that serves. Root writes
// where root's configuration says, and nowhere else.
func (f *daemonFlags) totpFile(given string) (totpFile, error) {
	at, err := f.serving()
	if err != nil && given == "" {
		return totpFile{}, err
	}
	file := totpFile{path: given}
	if given == "" {
		if file.path, err = configuredTOTP(at); err != nil {
			return totpFile{}, err
		}
	}
	if at.Account != "" {
		uid, err := accounts.System().UIDOf(at.Account)
		if err != nil {
			return totpFile{}, err
		}
		a, err := accounts.System().Named(at.Account, uid)
		if err != nil {
			return totpFile{}, err
		}
		file.account = &a
	}
	file.path, err = filepath.Abs(file.path)
	return file, err
}

func configuredTOTP(at config.Serving) (string, error) {
	none := usageError{errors.New("muxward asks for no second factor; put ssh: {totp: FILE} into its configuration, or say which file (--file)")}
	if os.Geteuid() != 0 {
		if at.SSH == nil || at.SSH.TOTP == "" {
			return "", none
		}
		return at.SSH.TOTP, nil
	}
	c, err := rootsConfig(at)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; say which file (--file)", err)
	case c.SSH.TOTP == "":
		return "", none
	case !filepath.IsAbs(c.SSH.TOTP):
		return "", usageError{fmt.Errorf("%s: ssh: totp is no absolute path; make it one, or say which file (--file)", at.File)}
	}
	return c.SSH.TOTP, nil
}

// rootsConfig reads the configuration that muxward was started with, which has to be root's.
func rootsConfig(at config.Serving) (config.Config, error) {
	if at.File == "" {
		return config.Config{}, errors.New("it is not known which configuration muxward has, as it was started without one, or is an older one: name the file of secrets with --file")
	}
	path, err := siblings.Real(at.File)
	if err != nil {
		return config.Config{}, fmt.Errorf("the configuration of muxward: %w", err)
	}
	return config.Load(path)
}

// without gives the lines but for that of a person.
func without(lines []string, person string) []string {
	return slices.DeleteFunc(lines, func(l string) bool {
		words := strings.Fields(l)
		return len(words) > 0 && words[0] == person
	})
}

// change changes the file of secrets, whole or not at all. A file that is not there
// is made. When it returns the change is there after a power cut, too.
func (t totpFile) change(change func(*identity.TOTPKeys, []string) ([]string, error)) error {
	dir, err := openTOTPDir(filepath.Dir(t.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	at, name := int(dir.Fd()), filepath.Base(t.path)
	// Only one at a time: it is the turn of who makes this file first, and nobody has
	// read what to change before their turn.
	fd, err := unix.Openat(at, name+".new", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s.new is there: somebody else is changing %s; if nobody is, remove it", t.path, t.path)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: t.path + ".new", Err: err}
	}
	f := os.NewFile(uintptr(fd), t.path+".new")
	err = t.write(f, at, change)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = unix.Renameat(at, name+".new", at, name)
	}
	if err != nil {
		_ = unix.Unlinkat(at, name+".new", 0)
		return err
	}
	return dir.Sync()
}

// openTOTPDir opens the directory, once: all else is relative to it. It has to be nobody
// else's, who could put another in its place meanwhile.
func openTOTPDir(path string) (*os.File, error) {
	real := filepath.EvalSymlinks
	if os.Geteuid() == 0 {
		real = siblings.Real
	}
	path, err := real(path)
	if err != nil {
		return nil, fmt.Errorf("the directory of the file of secrets: %w", err)
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	dir := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
		err = fmt.Errorf("%s belongs to uid %d, not to root or us: have the file of secrets in another directory, or run this as that account", path, st.Uid)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// read reads the file as it is, which may not be there: then whose is its new one to be. One
// that is neither root's, ours nor the account's is refused.
func (t totpFile) read(at int) (data []byte, uid, gid int, err error) {
	uid, gid = os.Geteuid(), os.Getegid()
	if t.account != nil && uid == 0 {
		uid, gid = int(t.account.UID), int(t.account.GID)
	}
	fd, err := unix.Openat(at, filepath.Base(t.path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return []byte(totpHead), uid, gid, nil
	}
	if err != nil {
		return nil, 0, 0, &fs.PathError{Op: "open", Path: t.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), t.path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, 0, 0, &fs.PathError{Op: "stat", Path: t.path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1:
		return nil, 0, 0, fmt.Errorf("%s is no file with one name", t.path)
	case st.Mode&0o077 != 0:
		return nil, 0, 0, fmt.Errorf("%s may be read by others (mode %04o); if nobody has: chmod 600 %s", t.path, st.Mode&0o777, t.path)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid() && (t.account == nil || st.Uid != t.account.UID):
		return nil, 0, 0, fmt.Errorf("%s belongs to uid %d, which is neither root, nor us, nor what muxward runs as", t.path, st.Uid)
	}
	if data, err = io.ReadAll(io.LimitReader(f, identity.MaxKeysFile+1)); err == nil && len(data) > identity.MaxKeysFile {
		err = fmt.Errorf("%s has more than %d bytes", t.path, identity.MaxKeysFile)
	}
	return data, int(st.Uid), int(st.Gid), err
}

// write writes what a file of secrets is changed to, to another.
func (t totpFile) write(f *os.File, at int, change func(*identity.TOTPKeys, []string) ([]string, error)) error {
	data, uid, gid, err := t.read(at)
	if err != nil {
		return err
	}
	has, err := identity.ParseTOTPKeys(data, t.path)
	if err != nil {
		return err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	if lines, err = change(has, lines); err != nil {
		return err
	}
	if _, err = f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		return err
	}
	if err := f.Chown(uid, gid); err != nil { // root changes it for muxward
		return err
	}
	return f.Sync()
}

// totpHead is the first line of a file of secrets: one that is empty is a mistake.
const totpHead = "# people's secrets for the ssh door: whoever reads one can make that person's codes\n"
