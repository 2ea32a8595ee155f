package sockets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of one directory of sockets, and of one directory that holds such
// directories.
const (
	maxEntries = 20_000
	maxNames   = 2_000_000
	maxDirs    = 10_000 // directories of sockets in one base
	maxNamed   = 2_000  // sockets elsewhere that processes of one account name
)

// dirName reads the name of a directory of sockets: tmux-UID, tmate-UID.
func dirName(name string) (program string, uid uint32, ok bool) {
	program, num, found := strings.Cut(name, "-")
	if !found || program != "tmux" && program != "tmate" {
		return "", 0, false
	}
	n, err := strconv.ParseUint(num, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != num {
		return "", 0, false
	}
	return program, uint32(n), true
}

// base looks for directories of sockets in path, and not into them.
func (l *looker) base(path string, give func(seen) bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			give(skipped(path, err))
		}
		return
	}
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	above, err := statFD(int(dir.Fd()))
	if err != nil {
		give(skipped(path, err))
		return
	}
	if real, err := os.Readlink(procPath(dir)); err == nil && filepath.IsAbs(real) {
		path = real // tmux, too, goes by where links lead to
	}
	if again, err := pinAt(unix.AT_FDCWD, path+"/."); err != nil {
		give(skipped(path, err))
		return
	} else if at, err := statFD(int(again.Fd())); again.Close() != nil || err != nil || at.id() != above.id() {
		return // by way of another root or mount namespace: it is not what this path means here
	}
	var late []Dir // of accounts that run nothing
	given, more := 0, 0
	add := func(d Dir) bool {
		if given++; given > maxDirs {
			more++
			return true
		}
		return give(seen{dir: &d})
	}
	for n := 0; ; {
		names, err := dir.Readdirnames(4096)
		n += len(names)
		for _, name := range names {
			program, uid, ok := dirName(name)
			if !ok {
				continue
			}
			d := Dir{Path: Path(filepath.Join(path, name)), For: uid, Program: program, Above: &above, AbovePath: Path(path)}
			if !l.running[uid] && uid != 0 {
				if len(late) < maxDirs {
					late = append(late, d)
				} else {
					more++
				}
			} else if !add(d) {
				return
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			give(skipped(path, err))
		}
		if len(names) == 0 || err != nil {
			break
		}
		if n >= maxNames {
			give(seen{skip: &Skipped{Path: Path(path), Reason: fmt.Sprintf("there is more in it than %d names", maxNames)}})
			break
		}
		if !give(seen{}) {
			return
		}
	}
	for _, d := range late {
		if !add(d) {
			return
		}
	}
	if more > 0 {
		give(seen{skip: &Skipped{Path: Path(path), Reason: fmt.Sprintf("%d directories of sockets in it are too many, and were not looked at", more)}})
	}
}

// running gives the accounts that run something.
func running(processes []process) map[uint32]bool {
	out := map[uint32]bool{}
	for _, p := range processes {
		out[p.uid] = true
	}
	return out
}

func skipped(path string, err error) seen {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return seen{skip: &Skipped{Path: Path(path), Reason: err.Error(), Denied: errors.Is(err, fs.ErrPermission)}}
}

// socketDir looks at a directory of sockets and what is in it, and no deeper.
func (l *looker) socketDir(d Dir, give func(seen) bool) {
	path := string(d.Path)
	d.FS = escape(l.mounts.of(path).fs)
	pin, err := pinAt(unix.AT_FDCWD, path)
	if err != nil {
		if !errors.Is(err, unix.ENOENT) {
			give(skipped(path, err))
		}
		return
	}
	defer pin.Close()
	if d.File, err = statPinned(pin); err != nil {
		give(skipped(path, err))
		return
	}
	d.Far = l.farAt(int(pin.Fd()), true)
	// What is in a place that somebody else has taken is nobody's to have mended.
	if !give(seen{dir: &d}) || !orderly(&d) {
		return
	}
	dir, err := os.Open(procPath(pin))
	if err != nil {
		give(skipped(path, err))
		return
	}
	defer dir.Close()
	for n := 0; n < maxEntries; {
		names, err := dir.Readdirnames(1024)
		n += len(names)
		if err != nil && !errors.Is(err, io.EOF) {
			give(skipped(path, err))
		}
		if len(names) == 0 || err != nil || !l.entries(dir, names, &d, give) {
			return
		}
	}
	give(seen{skip: &Skipped{Path: d.Path, Reason: fmt.Sprintf("only the first %d things in it were looked at", maxEntries)}})
}

// entries looks at some of what is in a directory of sockets, on all processors.
func (l *looker) entries(dir *os.File, names []string, d *Dir, give func(seen) bool) bool {
	var next atomic.Int64
	var ended atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)) && !ended.Load(); i = next.Add(1) - 1 {
				if !l.entry(dir, names[i], d, give) {
					ended.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return !ended.Load()
}

// entry looks at one thing in a directory of sockets.
func (l *looker) entry(dir *os.File, name string, d *Dir, give func(seen) bool) bool {
	path := string(d.Path) + "/" + name
	if name == quarantine {
		return true
	}
	if s := l.listed(dir, name, path, d); s != nil {
		return give(seen{sock: s})
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return true
	}
	if err != nil {
		return give(skipped(path, err))
	}
	defer unix.Close(fd)
	f, err := statPinnedFD(fd)
	if err != nil {
		return give(skipped(path, err))
	}
	if f.Kind != "socket" {
		return give(seen{other: &Other{Path: Path(path), File: f, Dir: d.Path}})
	}
	s := &Socket{Path: Path(path), File: f, Dir: d.Path, Above: &d.File}
	l.life(s, fd, d.UID, d)
	return give(seen{sock: s})
}

// listed looks at a socket at whose path somebody listens, by the kernel's list, with one
// call: nothing is done to it, so it need not be held. What turns out to be something
// else, or to need more, is looked at as if it were not listed; then this is nil.
func (l *looker) listed(dir *os.File, name, path string, d *Dir) *Socket {
	var st unix.Stat_t
	if !l.list.names[path] || unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT) != nil {
		return nil
	}
	s := &Socket{Path: Path(path), File: fileOf(st), Dir: d.Path, Above: &d.File}
	if s.Kind != "socket" || s.UID != d.UID || s.mayHaveACL() || !l.heard(s) {
		return nil
	}
	return s
}

// heard reports whether the kernel lists who listens at a socket. A knock might start
// who that is, or end it, and would tell nothing new.
func (l *looker) heard(s *Socket) bool {
	e := l.list.listens(&s.File, string(s.Path))
	if e != nil {
		s.Life, s.Why, s.Pending = Live, l.list.why, e.pending
	}
	return e != nil
}

// lone looks at a socket that is in no directory of sockets, and that a process of
// uid calls tmux's. What that account calls so and is not its own is not looked at:
// it might have us knock where it may not itself.
func (l *looker) lone(path string, uid uint32, give func(seen) bool) {
	pin, err := pinAt(unix.AT_FDCWD, path)
	if err != nil {
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			give(skipped(path, err))
		}
		return
	}
	defer pin.Close()
	f, err := statPinned(pin)
	if err != nil || f.Kind != "socket" || f.UID != uid {
		return
	}
	s := &Socket{Path: Path(path), File: f}
	if above, err := pinAt(unix.AT_FDCWD, filepath.Dir(path)+"/."); err == nil {
		if f, err := statPinned(above); err == nil {
			s.Above = &f
		}
		_ = above.Close()
	}
	l.life(s, int(pin.Fd()), uid, nil)
	give(seen{sock: s})
}

// life finds out whether somebody listens, and who, at the socket that fd holds. uid is
// who it has to belong to: at a socket of somebody else root would knock for who put it
// there. in is the directory that it is in, if that was looked at.
func (l *looker) life(s *Socket, fd int, uid uint32, in *Dir) {
	if s.UID != uid {
		s.Life, s.Why = Unknown, "it belongs to another account, and is not connected to"
		return
	}
	if l.heard(s) {
		return
	}
	bound := l.list.apart[string(s.Path)]
	for e := range l.list.of(&s.File, string(s.Path)) {
		bound = bound || e.peer == 0 && e.state != stateEstablished
	}
	p := l.knockers.probe(fd)
	young := l.now.Sub(s.Changed) < l.opt.Settle
	switch {
	case p.err == nil:
		s.PID = p.pid
		s.Life, s.Why = Live, "it takes connections; the kernel's list does not have it (another network namespace?)"
	case errors.Is(p.err, unix.EAGAIN):
		s.Life, s.Why = Live, "somebody listens and does not accept connections"
	case !errors.Is(p.err, unix.ECONNREFUSED):
		s.Life, s.Why = Unknown, "to connect fails in a way that says nothing: "+p.err.Error()
	case l.list.from == fromNowhere:
		s.Life, s.Why = Unknown, "connections are refused, and the kernel tells nobody who listens"
	case bound:
		s.Life, s.Why = Unknown, "it is bound, and nobody listens yet"
	case young:
		s.Life, s.Why = Unknown, "it is so new that its server may be about to listen"
	default:
		var far string
		if in != nil && in.Dev == s.Dev {
			far = in.Far // nothing else is mounted over it
		} else {
			far = l.farAt(fd, false)
		}
		if far != "" {
			s.Life, s.Why = Unknown, "nobody listens here, but "+far
			return
		}
		s.Life, s.Why = Dead, l.list.whyNot
	}
}

// pinAt holds on to whatever is at path, a symlink itself included, so that its
// inode number cannot be given to another file meanwhile.
func pinAt(at int, path string) (*os.File, error) {
	fd, err := unix.Openat(at, path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "look at", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// procPath names an open file for calls that take only paths.
func procPath(f *os.File) string { return procFD(int(f.Fd())) }

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func statFD(fd int) (File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return File{}, err
	}
	return fileOf(st), nil
}

// statPinned tells of a file that is held, with its ACL.
func statPinned(pin *os.File) (File, error) { return statPinnedFD(int(pin.Fd())) }

func statPinnedFD(fd int) (File, error) {
	f, err := statFD(fd)
	if err != nil || f.Kind != "socket" && f.Kind != "directory" {
		return f, err
	}
	if !f.mayHaveACL() {
		return f, nil
	}
	f.ACL, err = readACL(procFD(fd))
	return f, err
}

// mayHaveACL reports whether an ACL may give anything: with one, these bits are its mask.
func (f *File) mayHaveACL() bool { return f.Mode&0o070 != 0 }

func fileOf(st unix.Stat_t) File {
	return File{Kind: kindOf(st.Mode), UID: st.Uid, GID: st.Gid, Mode: Mode(st.Mode & 0o7777), Links: uint64(st.Nlink),
		Dev: uint64(st.Dev), Ino: st.Ino, Changed: toldTime(st.Ctim)}
}

// toldTime is a time as it can be told: JSON and people have no form for years before 0
// and after 9999, which a file system of somebody's own may tell.
func toldTime(ts unix.Timespec) time.Time {
	const first, last = -62_167_219_200, 253_402_300_799 // the first second of the year 0, and the last of 9999
	sec, nsec := ts.Unix()
	// A day less on either side, for who is in another time zone.
	return time.Unix(min(max(sec, first+86_400), last-86_400), min(max(nsec, 0), 999_999_999))
}

func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFREG:
		return "file"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "fifo"
	}
	return "device"
}

func (f File) id() fileID { return fileID{f.Dev, f.Ino} }
