package monitor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/siblings"
)

// prepare makes what only root can make: the state directory for the account.
// Of one that root has used before, everything is handed over, once.
func prepare(s *setting) error {
	if err := os.MkdirAll(filepath.Dir(s.config.State), 0o755); err != nil {
		return fmt.Errorf("make the way to the state directory: %w", err)
	}
	if err := s.realState(); err != nil {
		return err
	}
	if err := os.Mkdir(s.config.State, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the state directory: %w", err)
	}
	dir, err := s.openState()
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := apart(s); err != nil {
		return err
	}
	whole, err := lookOver(dir, s.account, 0)
	if err != nil {
		return fmt.Errorf("the state directory is not handed over to %s, and nothing was changed: %w", s.account.Name, err)
	}
	if whole {
		return prepareKeys(s, dir)
	}
	if err := prepareKeys(s, dir); err != nil {
		return err
	}
	if err := s.handOver(dir, 0); err != nil {
		return fmt.Errorf("hand the state directory over to %s: %w", s.account.Name, err)
	}
	return nil
}

// realState finds where the state directory is, in directories that only root can change.
func (s *setting) realState() error {
	state, err := siblings.RealAbove(s.config.State)
	if err != nil {
		return fmt.Errorf("above the state directory: %w", err)
	}
	s.config.State = state
	return nil
}

// apart refuses a state directory that has in it, or lies in, what is root's for good: the
// account could change it.
func apart(s *setting) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	for what, path := range map[string]string{"the configuration": s.config.File, "the policy": s.config.Policy, "the directory of the doors": s.config.Doors,
		"muxward": s.muxward, "muxward-helper": self, "tmux": s.tmux, "the directory of the keys": s.keyDir()} {
		real, err := filepath.EvalSymlinks(path)
		if errors.Is(err, fs.ErrNotExist) {
			real, err = path, nil // it is not there yet
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if within(real, s.config.State) || what != "muxward" && what != "muxward-helper" && what != "tmux" && within(s.config.State, real) {
			return fmt.Errorf("the state directory %s and %s (%s) are to be apart: it is given to %s; name another one", s.config.State, what, real, s.account.Name)
		}
	}
	return nil
}

// within reports whether a path is a directory, or below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// known reports whether muxward has something of that name in its state directory.
func known(name string) bool {
	name = strings.TrimSuffix(name, ".new")     // of a write that was cut short
	name, _, _ = strings.Cut(name, ".damaged-") // put aside
	switch name {
	case "audit", "totp-used", "revocations.json", "leases.json", "serve.json", "audit.pub", holder.HostFile + ".pub", holder.HostFile + "-cert.pub",
		holder.HostFile, holder.CheckpointFile: // which are moved before
		return true
	}
	if strings.HasPrefix(name, ".denials-") { // of a list that was being written (grants)
		return true
	}
	return isJournal(name) || name == "grants.db" || strings.HasPrefix(name, "grants.db-") || strings.HasPrefix(name, "grants.db.")
}

// journal begins the names of root's journal of `muxward sockets`, and of what logrotate has made
// of it. It is root's, and has no business in a directory of the account.
const journal = "sockets.jsonl"

func isJournal(name string) bool {
	return name == journal || strings.HasPrefix(name, journal+"-") || strings.HasPrefix(name, journal+".")
}

// lookOver looks at a directory of root's with all below it before any of it is given away: at
// its names, that all is root's or the account's already, is a file or directory, and has no
// other name, by which it may be something else of root's. whole is whether it is the account's.
func lookOver(dir *os.File, a accounts.Account, depth int) (whole bool, err error) {
	st, err := owned(dir, a)
	if err != nil {
		return false, err
	}
	if st.Uid == a.UID && depth == 0 {
		return true, nil // it was handed over
	}
	return false, lookInto(dir, a, depth)
}

// lookInto is lookOver, whosever the directory is.
func lookInto(dir *os.File, a accounts.Account, depth int) error {
	if _, err := owned(dir, a); err != nil {
		return err
	}
	if depth >= maxDepth {
		return fmt.Errorf("%s is too deep for a state directory", dir.Name())
	}
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if depth == 0 && !known(name) {
			return fmt.Errorf("%s in %s is nothing of muxward's; move it away, or name another state directory", name, dir.Name())
		}
		err := visit(dir, name, func(sub *os.File) error { return lookInto(sub, a, depth+1) }, func(f *os.File) error {
			_, err := owned(f, a)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// namesIn reads a directory, which may be read again.
func namesIn(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return dir.Readdirnames(-1)
}

// openState opens the state directory, and follows no link to it.
func (s *setting) openState() (*os.File, error) {
	dir, err := openBelow(unix.AT_FDCWD, s.config.State, unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("the state directory: %w", err)
	}
	return dir, nil
}

// maxDepth is how deep a state directory is: the log has one below it.
const maxDepth = 4

// handOver gives a directory of root's, which was looked over, to the account, with all below
// it; the directory itself last, so that what was begun is done again. All is looked at once
// more: what is given may be changed by the account already.
func (s *setting) handOver(dir *os.File, depth int) error {
	if _, err := owned(dir, s.account); err != nil {
		return err
	}
	if depth >= maxDepth {
		return fmt.Errorf("%s is too deep for a state directory", dir.Name())
	}
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := visit(dir, name, func(sub *os.File) error { return s.handOver(sub, depth+1) }, s.give); err != nil {
			return err
		}
	}
	return s.give(dir)
}

// visit opens what a directory has by a name, and follows no link.
func visit(dir *os.File, name string, directory, file func(*os.File) error) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	flags, do := 0, file
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		flags, do = unix.O_DIRECTORY, directory
	case unix.S_IFREG:
	default:
		return fmt.Errorf("%s/%s is neither a file nor a directory; move it away, or name another state directory", dir.Name(), name)
	}
	f, err := openBelow(int(dir.Fd()), name, flags)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f)
}

// openBelow opens a file or directory, and follows no symbolic link.
func openBelow(at int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat2(at, name, &unix.OpenHow{Flags: uint64(flags | unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// owned refuses what is neither root's nor the account's.
func owned(f *os.File, a accounts.Account) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case st.Uid != 0 && st.Uid != a.UID:
		return st, fmt.Errorf("%s belongs to uid %d, not to root or %s; chown it, or name another state directory", f.Name(), st.Uid, a.Name)
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink != 1:
		return st, fmt.Errorf("%s has %d names (hard links): it may be something else; remove the others", f.Name(), st.Nlink)
	}
	return st, nil
}

// give gives a file or directory to the account.
func (s *setting) give(f *os.File) error {
	if _, err := owned(f, s.account); err != nil {
		return err
	}
	s.doing("give " + f.Name())
	return f.Chown(int(s.account.UID), int(s.account.GID))
}

// doing tells a test of what is done next.
func (s *setting) doing(what string) {
	if s.step != nil {
		s.step(what)
	}
}
