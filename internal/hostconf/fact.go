package hostconf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fact is what is at a place of the host, or is to be. The zero fact is that nothing is.
type fact struct {
	Kind Kind   `json:"kind,omitempty"` // "" if nothing is there, "other" if no kind of ours
	Mode uint32 `json:"mode,omitempty"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	// Sum names the content of a file in the store of copies.
	Sum    string `json:"sum,omitempty"`
	Target string `json:"target,omitempty"`
	// Attrs are the extended attributes of a file, such as access lists.
	Attrs map[string][]byte `json:"attrs,omitempty"`
	MTime int64             `json:"mtime,omitempty"`
	// Enabled and Running are a service's.
	Enabled bool `json:"enabled,omitempty"`
	Running bool `json:"running,omitempty"`

	content  []byte
	dev, ino uint64
	odd      string // why nothing can be done about it
}

const other Kind = "other"

// same reports whether two facts are the same state of a thing.
func (f fact) same(g fact) bool {
	return f.Kind == g.Kind && f.Mode == g.Mode && f.UID == g.UID && f.GID == g.GID && f.Sum == g.Sum &&
		f.Target == g.Target && f.Enabled == g.Enabled && f.Running == g.Running &&
		bytes.Equal(f.Attrs[accessACL], g.Attrs[accessACL]) && bytes.Equal(f.Attrs[defaultACL], g.Attrs[defaultACL])
}

// sameFile reports whether two facts are about one and the same file, unchanged.
func (f fact) sameFile(g fact) bool {
	return f.same(g) && f.dev == g.dev && f.ino == g.ino && f.MTime == g.MTime
}

func (f fact) there() bool { return f.Kind != "" }

func sumOf(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// look reads what is at a path. What lies behind a directory that cannot be trusted is
// an error; what is not there, with its directory or without, is none.
func (t *tree) look(path string) (fact, error) {
	dir, name, err := t.parent(path)
	if errors.Is(err, os.ErrNotExist) {
		return fact{}, nil
	}
	if err != nil {
		return fact{}, err
	}
	defer dir.Close()
	return t.factAt(dir, name, t.full(path))
}

// factAt reads what is at a name in a directory. A symlink is never followed.
func (t *tree) factAt(dir *os.File, name, path string) (fact, error) {
	f, err := readAt(dir, name, path)
	if t.noOwners {
		f.UID, f.GID = 0, 0
	}
	return f, err
}

func readAt(dir *os.File, name, path string) (fact, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return fact{}, nil
	}
	if err != nil {
		return fact{}, fmt.Errorf("look at %s: %w", path, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target := make([]byte, 4097)
		n, err := unix.Readlinkat(int(dir.Fd()), name, target)
		if err != nil {
			return fact{}, fmt.Errorf("read the symlink %s: %w", path, err)
		}
		return fact{Kind: Link, UID: st.Uid, GID: st.Gid, Target: string(target[:n]), dev: st.Dev, ino: st.Ino}, nil
	case unix.S_IFREG:
		return readFile(dir, name, path)
	case unix.S_IFDIR:
		return readDir(dir, name, path)
	}
	return fact{Kind: other, odd: "there is something else than a file", dev: st.Dev, ino: st.Ino}, nil
}

func readDir(dir *os.File, name, path string) (fact, error) {
	d, err := openDirAt(dir, name, path)
	if err != nil {
		return fact{}, err
	}
	defer d.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return fact{}, fmt.Errorf("look at %s: %w", path, err)
	}
	f := fact{Kind: Directory, Mode: st.Mode & permBits, UID: st.Uid, GID: st.Gid, dev: st.Dev, ino: st.Ino}
	all, err := readAttrs(d)
	for _, acl := range []string{accessACL, defaultACL} {
		if v, ok := all[acl]; ok {
			f.Attrs = add(f.Attrs, acl, v)
		}
	}
	return f, err
}

func add(m map[string][]byte, k string, v []byte) map[string][]byte {
	if m == nil {
		m = map[string][]byte{}
	}
	m[k] = v
	return m
}

func readFile(dir *os.File, name, path string) (fact, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_BENEATH,
	}
	fd, err := openat2(dir, name, &how)
	if err != nil {
		return fact{}, fmt.Errorf("read %s: %w", path, err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fact{}, fmt.Errorf("look at %s: %w", path, err)
	}
	f := fact{Kind: File, Mode: st.Mode & permBits, UID: st.Uid, GID: st.Gid, MTime: st.Mtim.Nano(), dev: st.Dev, ino: st.Ino}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fact{}, fmt.Errorf("%s changed while it was looked at; try again", path)
	}
	f.content, err = io.ReadAll(io.LimitReader(file, MaxContent+1))
	if err != nil {
		return fact{}, fmt.Errorf("read %s: %w", path, err)
	}
	if len(f.content) > MaxContent {
		f.odd = fmt.Sprintf("it is larger than %d bytes, so that no copy of it is kept: move it away", MaxContent)
	}
	f.Sum = sumOf(f.content)
	f.Attrs, err = readAttrs(file)
	return f, err
}

// Access lists, as they are called among the extended attributes.
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// readAttrs reads the extended attributes of an open file. A file system that has none is
// like a file without.
func readAttrs(f *os.File) (map[string][]byte, error) {
	list := make([]byte, 64<<10)
	n, err := unix.Flistxattr(int(f.Fd()), list)
	if err == unix.ENOTSUP || err == unix.ENOSYS || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the attributes of %s: %w", f.Name(), err)
	}
	var all map[string][]byte
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(int(f.Fd()), name, value)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the attribute %s of %s: %w", name, f.Name(), err)
		}
		all = add(all, name, value[:n:n])
	}
	return all, nil
}

// dropACL takes the access list away that a file has got from its directory.
func dropACL(f *os.File, names ...string) error {
	for _, name := range names {
		if err := unix.Fremovexattr(int(f.Fd()), name); err != nil && err != unix.ENODATA && err != unix.ENOTSUP && err != unix.ENOSYS {
			return fmt.Errorf("take the access list of %s away: %w", f.Name(), err)
		}
	}
	return nil
}
