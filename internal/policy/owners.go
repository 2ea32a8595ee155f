package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/trusted"
)

// owners says whose word counts. What only is looked at may be anybody's, and not everybody's to
// write; what is put in force by root, or for it, may be nobody's but root's, as it says who gets a shell as whom.
type owners struct{ root bool }

// inUse is for what is put in force by this process.
func inUse() owners { return owners{root: os.Geteuid() == 0} }

func (o owners) who() trusted.Who {
	if o.root {
		return trusted.Root()
	}
	return trusted.Anyone()
}

// file refuses a file or directory that others than root may write to.
func (o owners) file(info fs.FileInfo) error {
	return trusted.Said(o.who().Info("", info, trusted.Itself), said)
}

// way looks at all on the way to a directory, and at itself: nobody else than root may be able
// to put another one in its place. Symlinks are root's way to say where it is. What is not there is an
// [fs.PathError], and is not opened: where it would be may be like /tmp, in which somebody else can put it meanwhile.
func (o owners) way(dir string) error {
	if !o.root {
		return nil
	}
	_, err := o.who().Way(dir, trusted.Itself)
	return trusted.Said(err, func(f *trusted.Fault) error { return fmt.Errorf("%s %w", f.At, said(f)) })
}

// said says what is wrong with a thing, without its name.
func said(f *trusted.Fault) error {
	switch f.Why {
	case trusted.Owner:
		if f.Mode&unix.S_ISVTX != 0 && f.Mode&unix.S_IFMT == unix.S_IFDIR {
			return fmt.Errorf("is not root's, but uid %d's, who may rename what is in it; look at it, and chown it to root", f.UID)
		}
		return fmt.Errorf("belongs to uid %d, who may write anything into it; look at it, and chown it to root", f.UID)
	case trusted.Link:
		return fmt.Errorf("is uid %d's symlink, and is not root's; look at where it leads, and make it anew as root", f.UID)
	case trusted.Everybody:
		return errors.New("may be written by everybody; look at it, and chmod o-w")
	case trusted.Unknown:
		return errors.New("cannot be looked at: it is not told whose it is")
	}
	return errors.New("may be written by others than root; look at it, and chmod go-w")
}
