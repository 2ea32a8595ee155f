package pam

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// programName is what asks PAM.
const programName = "muxward-pam"

// FindProgram finds muxward-pam: beside this program, or in libexec beside its directory.
func FindProgram() (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("find our own program: %w", err)
	}
	dir := filepath.Dir(self)
	places := []string{filepath.Join(dir, programName), filepath.Join(filepath.Dir(dir), "libexec", programName)}
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
	return "", fmt.Errorf("there is no %s (looked for %s and %s); install it, or leave ssh: {pam: ...} out", programName, places[0], places[1])
}

// CheckProgram refuses a program that others could put theirs in the place of: it hears
// passwords, with our rights.
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
	for at := path; ; at = filepath.Dir(at) {
		if info, err = os.Lstat(at); err != nil {
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

// ours refuses what others can change. In a directory with the sticky bit they cannot
// move what is not theirs.
func ours(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("%s: its owner cannot be told", path)
	case st.Uid != 0 && st.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("%s belongs to uid %d, not to root or us: what hears passwords has to be nobody else's", path, st.Uid)
	case info.IsDir() && info.Mode()&fs.ModeSticky != 0:
		return nil
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s may be written by others (mode %04o): what hears passwords may not; chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return nil
}
