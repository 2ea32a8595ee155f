package siblings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/muxward/muxward/internal/way"
)

// Find finds a program of this release: beside this program, or in libexec or
// bin beside its directory. It has to be one that others cannot change.
func Find(name string) (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("find our own program: %w", err)
	}
	return Beside(self, name)
}

// Beside finds a program of the release that another one is of, as [Find] does.
func Beside(program, name string) (string, error) {
	dir := filepath.Dir(program)
	up := filepath.Dir(dir)
	places := []string{filepath.Join(dir, name), filepath.Join(up, "libexec", name), filepath.Join(up, "bin", name)}
	for _, path := range places {
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		return path, CheckProgram(path)
	}
	return "", fmt.Errorf("there is no %s (looked for %s, %s and %s); install it", name, places[0], places[1], places[2])
}

// CheckProgram refuses a program that others could put theirs in the place of.
func CheckProgram(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s is no absolute path", path)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is no program", path)
	}
	return CheckPath(path)
}

// CheckPath refuses a path whose file, or any directory above, others than root
// and we can change.
func CheckPath(path string) error {
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if err := ours(at, info); err != nil {
			return err
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// Real gives where a path leads, and refuses one on whose way there is anything that others than
// root and we can change: a file, a directory, or a symbolic link.
func Real(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s: give the whole path", path)
	}
	at, err := way.Walk(path, func(at string, info fs.FileInfo, _ string) error {
		if info.Mode()&fs.ModeSymlink == 0 {
			return ours(at, info)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
			return fmt.Errorf("%s is a link of somebody else's, neither root's nor ours; name the file itself", at)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return at, CheckPath(at)
}

// ours refuses what others can change. In a directory with the sticky bit they cannot
// move what is not theirs.
func ours(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("%s: its owner cannot be told", path)
	case st.Uid != 0 && st.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("%s belongs to uid %d, not to root or us: what has our rights, or says what they are used for, has to be nobody else's", path, st.Uid)
	case info.IsDir() && info.Mode()&fs.ModeSticky != 0:
		return nil
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s may be written by others (mode %04o): what has our rights, or says what they are used for, may not; chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return nil
}
