package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// owners says whose word counts. What only is looked at may be anybody's; what is put in force
// by root, or for it, may be nobody's but root's, as it says who gets a shell as whom.
type owners struct{ root bool }

// inUse is for what is put in force by this process.
func inUse() owners { return owners{root: os.Geteuid() == 0} }

// file refuses a file or directory that others than root may write to.
func (o owners) file(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !o.root:
		return nil
	case !ok:
		return errors.New("cannot tell whose it is")
	case st.Uid != 0:
		return fmt.Errorf("belongs to uid %d, who may write anything into it; look at it, and chown it to root", st.Uid)
	case info.Mode()&0o022 != 0:
		return errors.New("may be written by others than root; look at it, and chmod go-w")
	}
	return nil
}

// maxLinks bounds how many symlinks are on a way; the kernel takes no more.
const maxLinks = 40

// way looks at all on the way to a directory, and at itself: nobody else than root may be able
// to put another one in its place. Symlinks are root's way to say where it is.
func (o owners) way(dir string) error {
	if !o.root {
		return nil
	}
	rest := dir // not cleaned: what .. means behind a symlink is the kernel's to say
	if !filepath.IsAbs(dir) {
		wd, err := os.Getwd()
		if err != nil {
			return err
		}
		rest = wd + "/" + dir
	}
	at := "/"
	for links := 0; ; {
		info, err := os.Lstat(at)
		if err != nil {
			return nil // who opens it says so
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			if links++; err != nil || links > maxLinks {
				return fmt.Errorf("%s leads nowhere", at)
			}
			if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
				return fmt.Errorf("the symlink %s is not root's", at)
			}
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
			rest = target + "/" + rest
			continue
		case info.Mode()&fs.ModeSticky != 0 && strings.Trim(rest, "/.") != "":
			// Others may put something there, and not rename what is root's; but whose directory it is may.
			if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
				return fmt.Errorf("%s is not root's", at)
			}
		default:
			if err := o.file(info); err != nil {
				return fmt.Errorf("%s %w", at, err)
			}
		}
		if rest = strings.TrimLeft(rest, "/"); rest == "" {
			return nil
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		at = filepath.Join(at, name) // where no symlink is left
	}
}
