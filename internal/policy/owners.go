package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/muxward/muxward/internal/way"
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

// way looks at all on the way to a directory, and at itself: nobody else than root may be able
// to put another one in its place. Symlinks are root's way to say where it is.
func (o owners) way(dir string) error {
	if !o.root {
		return nil
	}
	_, err := way.Walk(dir, func(at string, info fs.FileInfo, rest string) error {
		st, ok := info.Sys().(*syscall.Stat_t)
		roots := ok && st.Uid == 0
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if !roots {
				return fmt.Errorf("the symlink %s is not root's", at)
			}
		case info.Mode()&fs.ModeSticky != 0 && strings.Trim(rest, "/.") != "":
			// Others may put something there, and not rename what is root's; but whose directory it is may.
			if !roots {
				return fmt.Errorf("%s is not root's", at)
			}
		default:
			if err := o.file(info); err != nil {
				return fmt.Errorf("%s %w", at, err)
			}
		}
		return nil
	})
	if gone := (*fs.PathError)(nil); errors.As(err, &gone) {
		return nil // who opens it says so
	}
	return err
}
