package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/procfs"
)

// GiveBackArg is the argument with which muxward-helper gives the state back to root.
const GiveBackArg = "give-back"

// GiveBack gives the state directory of a muxward that ran as an account back to root, with
// the keys, for a muxward that is to run as root. What is in it is what the account has
// written: root's muxward believes that from then on. Nobody may serve, and nothing run
// as that account. Broken off, it is begun again; a start as the account hands all of it over.
func GiveBack(given config.Config, file string) error {
	if _, _, err := begin(); err != nil {
		return err
	}
	s, err := settings(given, file)
	if err != nil {
		return err
	}
	o := s.hands()
	o.Profiles = nil          // whatever is wrong with those has nothing to do with it
	hands, err := keep.New(o) // for its lock
	if err != nil {
		return err
	}
	defer hands.Close()
	return giveBack(s)
}

func giveBack(s *setting) error {
	if err := s.realState(); err != nil {
		return err
	}
	dir, err := s.openState()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := idle(s.account); err != nil {
		return err
	}
	if s.rootsWhole(dir) {
		return nil // it was never handed over
	}
	if err := lookInto(dir, s.account, 0); err != nil {
		return fmt.Errorf("the state directory is not given back to root, and nothing was changed: %w", err)
	}
	if err := noKeys(s, dir); err != nil {
		return err
	}
	if err := eachFile(dir, 0, unwritten); err != nil {
		return fmt.Errorf("the state directory is not given back to root, and nothing was changed: %w", err)
	}
	if err := s.putAside(dir); err != nil {
		return fmt.Errorf("give the state directory back to root: %w", err)
	}
	if err := s.takeBack(dir, 0); err != nil {
		return fmt.Errorf("give the state directory back to root: %w", err)
	}
	keys, err := s.openKeys()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer keys.Close()
	return s.moveRoots(keys, dir)
}

// rootsWhole reports whether all of a state directory is root's, and what is moved beside it
// when it is handed over is in it.
func (s *setting) rootsWhole(dir *os.File) bool {
	kept, err := os.ReadDir(s.keyDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	for _, e := range kept {
		if isKey(e.Name()) || isJournal(e.Name()) {
			return false
		}
	}
	return lookInto(dir, accounts.Account{Name: "root"}, 1) == nil // whatever it is
}

// noKeys refuses keys that are the account's, which root's would not take the place of.
func noKeys(s *setting, dir *os.File) error {
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !isKey(name) {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if st.Uid != 0 {
			return fmt.Errorf("%s has a key %s of %s's, and the keys are root's: look at who has put it there, and move it away; nothing was changed", s.config.State, name, s.account.Name)
		}
	}
	return nil
}

// servingFile says where muxward serves, which root's commands believe of root.
const servingFile = "serve.json"

// given ends the name of a journal that was the account's, before a number where there was one before.
const given = ".damaged-given-back"

// aside gives a name for what is put aside that nothing has, here or among root's journals, which come back here.
func (s *setting) aside(dir *os.File, name string) (string, error) {
	for n := 1; n < 1000; n++ {
		to := name + given
		if n > 1 {
			to += "-" + strconv.Itoa(n)
		}
		var st unix.Stat_t
		here := unix.Fstatat(int(dir.Fd()), to, &st, unix.AT_SYMLINK_NOFOLLOW)
		there := unix.Lstat(s.keyDir()+"/"+to, &st)
		if errors.Is(here, unix.ENOENT) && errors.Is(there, unix.ENOENT) {
			return to, nil
		}
	}
	return "", errors.New("too many have been put aside before: move them away")
}

// putAside has nothing of the account's be taken for root's own word: where muxward serves, which is written
// anew at each start, and journals, to which root's commands would add.
func (s *setting) putAside(dir *os.File) error {
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		var st unix.Stat_t
		if name != servingFile && !isJournal(name) || strings.Contains(name, given) {
			continue
		}
		if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if st.Uid == 0 {
			continue
		}
		s.doing("put aside " + name)
		if name == servingFile {
			err = unix.Unlinkat(int(dir.Fd()), name, 0)
		} else if to, aerr := s.aside(dir, name); aerr != nil {
			err = aerr
		} else {
			err = unix.Renameat2(int(dir.Fd()), name, int(dir.Fd()), to, unix.RENAME_NOREPLACE)
		}
		if err != nil {
			return fmt.Errorf("put %s aside: %w", name, err)
		}
	}
	return nil
}

// eachFile does something with all files in a directory, and in those below it.
func eachFile(dir *os.File, depth int, do func(*os.File) error) error {
	if depth >= maxDepth {
		return fmt.Errorf("%s is too deep for a state directory", dir.Name())
	}
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := visit(dir, name, func(sub *os.File) error { return eachFile(sub, depth+1, do) }, do); err != nil {
			return err
		}
	}
	return nil
}

// unwritten refuses a file that somebody has open for writing: whoever had the account could have handed that on
// to a process of any other (unix(7), SCM_RIGHTS), which goes on writing what is root's by then. A lease is how the kernel
// tells (fcntl(2), F_SETLEASE).
func unwritten(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return err
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("somebody has %s open for writing, and could go on after it is given back: end that first (fuser -v tells which process it is)", f.Name())
	}
	return nil // a file system without leases
}

// idle refuses while anything runs as the account, which could go on writing.
func idle(a accounts.Account) error {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return fmt.Errorf("look who runs: %w", err)
	}
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // no process
		}
		status, err := procfs.Read(pid, "status", maxStatus)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return fmt.Errorf("look who runs: %w", err)
		}
		if runsAs(status, a.UID) {
			return fmt.Errorf("process %d runs as %s, and could go on writing into what is given back: end it first", pid, a.Name)
		}
	}
	return nil
}

// maxStatus bounds what is read of a process.
const maxStatus = 16 << 10

// runsAs reports whether a process has a uid, by its status (proc(5)): the real, effective, saved
// or that for files.
func runsAs(status []byte, uid uint32) bool {
	_, rest, _ := bytes.Cut(status, []byte("\nUid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	for _, f := range bytes.Fields(line) {
		if string(f) == strconv.FormatUint(uint64(uid), 10) {
			return true
		}
	}
	return false
}

// takeBack takes a directory that was looked at for root, before what is in it: nobody puts
// anything there meanwhile.
func (s *setting) takeBack(dir *os.File, depth int) error {
	if err := s.take(dir); err != nil {
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
		if err := visit(dir, name, func(sub *os.File) error { return s.takeBack(sub, depth+1) }, s.take); err != nil {
			return err
		}
	}
	return dir.Sync()
}

// take takes a file or directory for root, so that nobody but root can write to it from then on.
func (s *setting) take(f *os.File) error {
	st, err := owned(f, s.account)
	if err != nil {
		return err
	}
	closed := func() error { return closeTo(f, st.Mode) }
	// Nobody else may have rights at any time at which it is root's; until then the account could give them.
	for _, do := range []func() error{closed, func() error { return f.Chown(0, 0) }, closed} {
		s.doing("take " + f.Name())
		if err := do(); err != nil {
			return err
		}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		return unwritten(f) // once more: from here on nobody but root opens it for writing
	}
	return nil
}

// closeTo takes from everybody but its owner the right to write to a file or directory.
func closeTo(f *os.File, mode uint32) error {
	for _, list := range []string{"system.posix_acl_access", "system.posix_acl_default"} {
		if err := unix.Fremovexattr(int(f.Fd()), list); err != nil && err != unix.ENODATA && err != unix.EOPNOTSUPP {
			return fmt.Errorf("take the access list of %s away: %w", f.Name(), err)
		}
	}
	return f.Chmod(fs.FileMode(mode & 0o755))
}
