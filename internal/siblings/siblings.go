package siblings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/muxward/muxward/internal/trusted"
)

// Find finds a program of this release: beside this program, or in libexec or
// bin beside its directory. It has to be one that others cannot change.
func Find(name string) (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self) // the kernel says where it is: on that way are no links
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
		return RealProgram(path)
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

// CheckPath refuses a path whose file, or any directory above, others than root and we can change, or on which there
// is a symbolic link: who has a path with links uses [Real]. Resolved before, what the links lay in would not be judged.
func CheckPath(path string) error {
	return said(trusted.Us().Straight(path, trusted.Itself))
}

// CheckAbove refuses a path in whose place others could put something by changing a directory above it. What is
// there itself, if anything, is not looked at.
func CheckAbove(path string) error {
	return said(trusted.Us().Straight(filepath.Dir(path), trusted.Through))
}

// Real gives where a path leads, and refuses one on whose way there is anything that others than
// root and we can change: a file, a directory, or a symbolic link.
func Real(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s: give the whole path", path)
	}
	at, err := trusted.Us().Way(path, trusted.Itself)
	return at, said(err)
}

// RealProgram is Real of a program.
func RealProgram(path string) (string, error) {
	real, err := Real(path)
	if err != nil {
		return "", err
	}
	return real, CheckProgram(real)
}

// RealAbove is Real of the directory that something is in, or is to be in, as for [CheckAbove]: what is there itself is not
// looked at, nor followed.
func RealAbove(path string) (string, error) {
	up, err := trusted.Us().Way(filepath.Dir(path), trusted.Through)
	if err != nil {
		return "", said(err)
	}
	return filepath.Join(up, filepath.Base(path)), nil
}

// said says why it matters.
func said(err error) error {
	const why = "what has our rights, or says what they are used for,"
	return trusted.Said(err, func(f *trusted.Fault) error {
		switch f.Why {
		case trusted.Owner:
			return fmt.Errorf("%s belongs to uid %d, not to root or us: %s has to be nobody else's", f.At, f.UID, why)
		case trusted.Link:
			return fmt.Errorf("%s is a link of somebody else's, neither root's nor ours; name the file itself", f.At)
		case trusted.Everybody, trusted.Group:
			return fmt.Errorf("%s may be written by others (mode %04o): %s may not; chmod go-w %[1]s", f.At, f.Bits(), why)
		}
		return nil
	})
}
