package trusted

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/way"
)

// Who says whose word counts: root's always, and that of the accounts that were named.
type Who struct {
	uids   []uint32
	called string
	anyone bool
	alone  func(uid, gid uint32) bool // nil: no group may write
}

// Root is for what only root says.
func Root() Who { return Who{called: "root"} }

// Us is for what root says, and the account that this process runs as.
func Us() Who { return Root().And(uint32(os.Geteuid()), "us") }

// And has one more account's word count. called is what errors call it.
func (w Who) And(uid uint32, called string) Who {
	w.uids = append(slices.Clip(w.uids), uid)
	w.called += " or " + called
	return w
}

// Anyone is for what may be anybody's: it is refused only if everybody may write to it.
func Anyone() Who { return Who{called: "anyone", anyone: true} }

// Groups has groups write that are, by the files, those of one account alone whose word counts, as where
// everybody has a group of their own and a umask by that. Where one does there must be no access list, as the
// bits of the group bound what that gives to others.
func (w Who) Groups(files accounts.Files) Who {
	w.alone = files.Alone()
	return w
}

// Use is what something is for.
type Use int

const (
	// Itself is what is read, run or written, or a directory in which others are to put nothing.
	Itself Use = iota
	// Through is a directory in which one thing is looked up, and judged in its turn. With the sticky
	// bit others may put things there, and rename nothing that is not theirs. Whose it is may.
	Through
	// Apart is what is judged by itself, as by whoever opens it: of a way all else is. Otherwise it is Itself.
	Apart
)

// Thing is what is judged.
type Thing struct {
	// At is what it is called.
	At       string
	UID, GID uint32
	// Mode is the kernel's st_mode, not an [fs.FileMode].
	Mode uint32
	// List reports whether it has an access list. It is asked where a group may write; without it that
	// cannot be told.
	List func() (bool, error)
}

// Judge refuses what others than those whose word counts can change, with a [Fault]. Of a symbolic link it asks
// only whose it is: it cannot be written to, and has no mode.
func (w Who) Judge(t Thing, use Use) error {
	no := func(why Why) error { return &Fault{Why: why, Thing: t, groups: w.alone != nil, who: w.called} }
	kind := t.Mode & unix.S_IFMT
	switch {
	case !w.counts(t.UID) && kind == unix.S_IFLNK:
		return no(Link)
	case !w.counts(t.UID):
		return no(Owner)
	case kind == unix.S_IFLNK, use == Through && kind == unix.S_IFDIR && t.Mode&unix.S_ISVTX != 0:
		return nil
	case t.Mode&0o002 != 0:
		return no(Everybody)
	case t.Mode&0o020 == 0 || w.anyone:
		return nil
	case !w.hasAlone(t.GID):
		return no(Group)
	}
	has, err := true, errors.New("nobody has looked at its access list")
	if t.List != nil {
		has, err = t.List()
	}
	if err != nil {
		return &Fault{Why: Unknown, Thing: t, err: err}
	}
	if has {
		return no(List)
	}
	return nil
}

func (w Who) counts(uid uint32) bool { return w.anyone || uid == 0 || slices.Contains(w.uids, uid) }

// hasAlone reports whether a group may write: nobody is in it but one whose word counts.
func (w Who) hasAlone(gid uint32) bool {
	return w.alone != nil && (w.alone(0, gid) || slices.ContainsFunc(w.uids, func(uid uint32) bool { return w.alone(uid, gid) }))
}

// Held judges what a descriptor is of, which stays open meanwhile. at is what it is called.
func (w Who) Held(fd int, at string, use Use) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	return w.Judge(Thing{At: at, UID: st.Uid, GID: st.Gid, Mode: st.Mode, List: func() (bool, error) {
		return listed(unix.Fgetxattr(fd, accessList, nil))
	}}, use)
}

// Info judges what a file's Stat has told. A group's right to write is refused there, as the access list is not told.
func (w Who) Info(at string, info fs.FileInfo, use Use) error { return w.info(at, info, use, nil) }

func (w Who) info(at string, info fs.FileInfo, use Use, list func() (bool, error)) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &Fault{Why: Unknown, Thing: Thing{At: at}, err: errors.New("the system does not say whose it is")}
	}
	return w.Judge(Thing{At: at, UID: st.Uid, GID: st.Gid, Mode: st.Mode, List: list}, use)
}

// Way gives where a path leads, with no symbolic link left in that, and refuses one on whose way others could
// change anything: a directory, a symbolic link, or what it leads to, which is for that use. What is not there is
// an [fs.PathError].
func (w Who) Way(path string, use Use) (string, error) {
	return w.walk(path, use, func(Thing) error { return nil })
}

// Straight is [Who.Way] of a path in which no symbolic link is taken, whoever made it.
func (w Who) Straight(path string, use Use) error {
	_, err := w.walk(path, use, func(t Thing) error { return &Fault{Why: Crooked, Thing: t} })
	return err
}

func (w Who) walk(path string, use Use, link func(Thing) error) (string, error) {
	return way.Walk(path, func(at string, info fs.FileInfo, rest string) error {
		is := Through
		if strings.Trim(rest, "/") == "" {
			is = use
		}
		isLink := info.Mode()&fs.ModeSymlink != 0
		if is == Apart && !isLink {
			return nil
		}
		// By the path, that is: all above was judged before, so nobody else can put another there meanwhile.
		err := w.info(at, info, is, func() (bool, error) { return listed(unix.Lgetxattr(at, accessList, nil)) })
		if err == nil && isLink {
			err = link(Thing{At: at})
		}
		return err
	})
}

const accessList = "system.posix_acl_access"

// listed says what a look for an access list has found. Modes alone are no list.
func listed(n int, err error) (bool, error) {
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return false, nil
	}
	return n > 0, err
}
