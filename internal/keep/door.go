package keep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

// Modes of what a tmux client goes through. tmux wants the directory to be its
// own account's and closed to others; that it cannot be written is what keeps a
// client that finds nobody listening from starting a server there.
const (
	doorDirMode  = 0o500
	doorSockMode = 0o600
)

// door is a socket that stock tmux clients connect to: in a directory of the
// account, which that account cannot write to. A door that was deleted,
// replaced or changed is put back by the watch. When it is closed the directory
// stays, so that no client starts a server of its own in its place. Who accepts
// there has the listening socket alone: when they are gone nobody listens.
type door struct {
	root     *root
	place    Place
	dirName  string
	sockName string
	uid, gid uint32
	// exec is what of the socket's mode is not looked at: tmux marks with
	// the x bits that somebody is attached, and the inner door is what it
	// takes for its socket.
	exec uint32
	// replaced is told of a socket that takes the place of the one before.
	replaced func(*door, *os.File)
	// generation tells one opening from another.
	generation uint64

	dir atomic.Pointer[os.File] // now.dir, for who must not wait for mu

	away    passed.Away  // sockets that nobody has fetched
	hanging atomic.Int32 // how many of those are being closed

	mu     sync.Mutex
	now    *placed
	closed bool
	strays strays
}

// placed is one socket in its place. The pins keep both inode numbers from
// being used again, so that equal numbers mean the same file.
type placed struct {
	listen    *os.File // until it is given away
	dir, sock *os.File
}

func (p *placed) close() {
	for _, f := range []*os.File{p.listen, p.dir, p.sock} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// give gives the listening socket away.
func (p *placed) give() *os.File {
	f := p.listen
	p.listen = nil
	return f
}

// path is where clients find the door.
func (d *door) path() string { return d.root.path + "/" + d.dirName + "/" + d.sockName }

// close removes the socket. The directory stays.
func (d *door) close() error {
	d.root.drop(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.dir.Store(nil)
	err := d.removeSocket()
	d.now.close()
	return err
}

// removeSocket takes the socket out of its directory, if it is still ours.
// Our own account needs the right to write there for that moment; a client
// cannot use it, as the name is taken until it is gone again.
func (d *door) removeSocket() error {
	was, err := statFile(d.now.sock)
	if err != nil {
		return err
	}
	is, err := statAt(d.now.dir, d.sockName)
	if err != nil || !sameFile(was, is) {
		return nil // not ours any more
	}
	if os.Geteuid() == 0 {
		return unix.Unlinkat(int(d.now.dir.Fd()), d.sockName, 0)
	}
	// An empty directory takes the place of the one with the socket.
	old, err := swapIn(d.root.dir, d.dirName, func(tmp string) error {
		return unix.Fchmodat(int(d.root.dir.Fd()), tmp, doorDirMode, 0)
	})
	if err != nil {
		return err
	}
	return d.root.clear(d.uid, old)
}

// temporary is how names of directories begin that are not in place yet, or
// not any more.
const temporary = ".new-"

// swapIn makes a new directory under a temporary name, has fill fill it, and
// puts it at name in one step. What was there before is under the name it
// returns, or nowhere if that is empty.
func swapIn(parent *os.File, name string, fill func(tmp string) error) (old string, err error) {
	tmp := temporary + rand.Text()[:12]
	at := int(parent.Fd())
	if err := unix.Mkdirat(at, tmp, 0o700); err != nil {
		return "", fmt.Errorf("make a directory in %s: %w", parent.Name(), err)
	}
	if err = fill(tmp); err == nil {
		err = unix.Renameat2(at, tmp, at, name, unix.RENAME_NOREPLACE)
		if err == nil {
			return "", nil
		}
		if errors.Is(err, unix.EEXIST) {
			if err = unix.Renameat2(at, tmp, at, name, unix.RENAME_EXCHANGE); err == nil {
				return tmp, nil
			}
		}
		err = fmt.Errorf("put a new directory at %s/%s: %w", parent.Name(), name, err)
	}
	return "", errors.Join(err, clearDir(parent, tmp))
}

// put binds a new socket and puts it, with its directory, into place.
func (d *door) put() (*placed, error) {
	p := &placed{}
	if err := errors.Join(d.root.mayReplace(d.uid), d.mayReplace()); err != nil {
		return nil, fmt.Errorf("open the door %s: %w", d.path(), err)
	}
	old, err := swapIn(d.root.dir, d.dirName, func(tmp string) error { return d.build(p, tmp) })
	if err != nil {
		p.close()
		return nil, fmt.Errorf("open the door %s: %w", d.path(), err)
	}
	if old == "" {
		return p, nil
	}
	if err := d.root.clear(d.uid, old); err != nil {
		d.root.tell(fmt.Sprintf("what was in the place of the door %s is now %s/%s and could not be removed: %v", d.path(), d.root.path, old, err))
	}
	return p, nil
}

// build makes the directory tmp ready: nobody but us can reach into it until
// it is given to its account, at the end.
func (d *door) build(p *placed, tmp string) error {
	dir, err := openDirAt(int(d.root.dir.Fd()), tmp)
	if err != nil {
		return err
	}
	p.dir = dir
	if p.listen, err = listenAt(procPath(dir) + "/" + d.sockName); err != nil {
		return err
	}
	if p.sock, err = pinAt(int(dir.Fd()), d.sockName); err != nil {
		return err
	}
	at := int(dir.Fd())
	return errors.Join(
		unix.Fchmodat(at, d.sockName, doorSockMode, 0),
		unix.Fchownat(at, d.sockName, int(d.uid), int(d.gid), unix.AT_SYMLINK_NOFOLLOW),
		unix.Fchmod(at, doorDirMode),
		unix.Fchown(at, int(d.uid), int(d.gid)),
	)
}

// listenAt gives a socket that listens at path.
func listenAt(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "door")
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// check compares the door with what it should be, puts it right, and says
// what was wrong.
func (d *door) check() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.checkNow()
}

// checkFree does the same, but not to a door that is opened, closed or checked just now.
func (d *door) checkFree() ([]string, error) {
	if !d.mu.TryLock() {
		return nil, nil
	}
	defer d.mu.Unlock()
	return d.checkNow()
}

// checkNow does that with mu held.
func (d *door) checkNow() ([]string, error) {
	if d.closed {
		return nil, nil
	}
	wrong, replace, err := d.wrong()
	if err != nil || !replace {
		if text := d.strays.news(d.now.dir, d.sockName); text != "" {
			d.root.tell("the directory of the door " + d.path() + text)
		}
		return wrong, err
	}
	p, err := d.put()
	if err != nil {
		return wrong, err
	}
	d.now.close()
	d.now = p
	d.dir.Store(p.dir)
	d.replaced(d, p.give())
	return wrong, nil
}

// wrong finds what is not as it should be. Modes are put back on the spot;
// everything else needs a new socket.
func (d *door) wrong() (wrong []string, replace bool, err error) {
	dir, sock := d.now.dir, d.now.sock
	is, err := statAt(d.root.dir, d.dirName)
	was, err2 := statFile(dir)
	switch {
	case err != nil && !notThere(err):
		return nil, false, err
	case err != nil:
		return []string{"its directory is gone"}, true, nil
	case err2 != nil || !sameFile(is, was):
		return []string{"its directory was replaced"}, true, nil
	}
	wrong = append(wrong, putRight(dir, "its directory", was, wantFile{doorDirMode, d.uid, 0})...)
	sis, err := statAt(dir, d.sockName)
	swas, err2 := statFile(sock)
	switch {
	case err != nil && !notThere(err):
		return wrong, false, err
	case err != nil:
		return append(wrong, "its socket is gone"), true, nil
	case err2 != nil || !sameFile(sis, swas):
		return append(wrong, "its socket was replaced"), true, nil
	}
	wrong = append(wrong, putRight(sock, "its socket", swas, wantFile{doorSockMode, d.uid, d.exec})...)
	if swas.Nlink > 1 {
		wrong = append(wrong, fmt.Sprintf("its socket has %d more names (hard links)", swas.Nlink-1))
		replace = true
	}
	return wrong, replace, nil
}

// wantFile is what a file should be.
type wantFile struct {
	mode uint32
	uid  uint32
	// ignore are mode bits that may be either way.
	ignore uint32
}

// putRight makes mode, owner and access list of an open file what they should
// be, and says what they were.
func putRight(f *os.File, what string, st unix.Stat_t, want wantFile) (wrong []string) {
	say := func(err error, format string, args ...any) {
		s := what + " " + fmt.Sprintf(format, args...)
		if err != nil {
			s += fmt.Sprintf(", and it could not be put right: %v", err)
		}
		wrong = append(wrong, s)
	}
	if st.Uid != want.uid {
		say(unix.Fchownat(int(f.Fd()), "", int(want.uid), -1, unix.AT_EMPTY_PATH), "belonged to uid %d", st.Uid)
	}
	for _, name := range []string{"system.posix_acl_access", "system.posix_acl_default"} {
		size, err := unix.Getxattr(procPath(f), name, nil)
		if err == nil && size > 0 {
			say(unix.Removexattr(procPath(f), name), "had an access list (%s)", strings.TrimPrefix(name, "system."))
		}
	}
	if st.Mode&permBits&^want.ignore != want.mode {
		say(chmodFile(f, want.mode), "had mode %04o", st.Mode&permBits)
	}
	return wrong
}

// root is a directory of ours that holds doors.
type root struct {
	path string
	mode uint32
	tell func(string)

	mu     sync.Mutex
	dir    *os.File
	left   map[uint32]int // directories that could not be cleared away, by the account's uid
	doors  []*door
	opened uint64 // so far
}

// maxLeftDirs is how many directories with what an account has put into its places may be left.
const maxLeftDirs = 16

// mayReplace refuses to put another directory into a place of which too many are left.
func (r *root) mayReplace(uid uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.left[uid]; n >= maxLeftDirs {
		return fmt.Errorf("%d directories with what was put into places of uid %d are left in %s; remove those that begin with %s or %s, and start muxward again", n, uid, r.path, temporary, innerName(""))
	}
	return nil
}

// clear removes what was in a place, or counts it.
func (r *root) clear(uid uint32, old string) error {
	err := clearDir(r.dir, old)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.left == nil {
			r.left = map[uint32]int{}
		}
		r.left[uid]++
	}
	return err
}

// clearOwned does the same with one of which only the owner says whose it was.
func (r *root) clearOwned(name string) {
	if st, err := statAt(r.dir, name); err == nil {
		_ = r.clear(st.Uid, name) // it is counted
	}
}

func (r *root) drop(d *door) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doors = slices.DeleteFunc(r.doors, func(o *door) bool { return o == d })
}

func (r *root) list() []*door {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.doors)
}

// openDoor opens a door. One that somebody else listens on is refused, whoever
// that is.
func (r *root) openDoor(d *door) (*door, Opened, error) {
	d.root = r
	d.mu.Lock() // until it is in its place: it is listed before, so that there is one
	defer d.mu.Unlock()
	r.mu.Lock()
	if slices.ContainsFunc(r.doors, func(o *door) bool { return o.dirName == d.dirName }) {
		r.mu.Unlock()
		return nil, Opened{}, fmt.Errorf("open the door %s: it is open already", d.path())
	}
	r.opened++
	d.generation = r.opened
	r.doors = append(r.doors, d)
	r.mu.Unlock()
	err := error(nil)
	if who, ok := listener(r.dir, d.dirName, d.sockName); ok {
		err = fmt.Errorf("open the door %s: process %d of uid %d listens there; stop it first", d.path(), who.Pid, who.Uid)
	} else {
		d.now, err = d.put()
	}
	if err != nil {
		d.closed = true
		r.drop(d)
		return nil, Opened{}, err
	}
	d.dir.Store(d.now.dir)
	return d, Opened{Path: d.path(), UID: d.uid, Generation: d.generation, Listen: d.now.give()}, nil
}

// find gives a door that is open.
func (r *root) find(dirName string) *door {
	for _, d := range r.list() {
		if d.dirName == dirName {
			return d
		}
	}
	return nil
}

func (k *Keep) replaced(d *door, listen *os.File) {
	was := k.events.put(Event{Kind: EventReplaced, Place: d.place, ID: d.place.Server, Generation: d.generation, Listen: listen})
	k.nudge() // its directory is to be watched
	d.drop(was)
}

// maxHanging is how many sockets of a door that nobody has fetched may not let themselves be closed, each of which has
// a thread.
const maxHanging = 16

// drop closes a socket that nobody has fetched, and waits for nothing that somebody has put into it.
func (d *door) drop(listen *os.File) {
	if listen == nil {
		return
	}
	d.hanging.Add(1)
	go func() {
		defer d.hanging.Add(-1)
		_ = d.away.Close(listen)
	}()
}

// mayReplace refuses one more socket where too many cannot be closed.
func (d *door) mayReplace() error {
	if n := d.hanging.Load(); n >= maxHanging {
		return fmt.Errorf("%d sockets that were there cannot be closed, as somebody has put into them what cannot", n)
	}
	return nil
}

// closeDoor closes a door: nothing is told of its sockets any more.
func (k *Keep) closeDoor(d *door) error {
	err := d.close()
	k.events.dropReplaced(d.generation)
	return err
}

// OpenDoor opens an account's door, at which its plain tmux looks
// (DOORS/tmux-UID/default), or the inner door of a server.
func (k *Keep) OpenDoor(ctx context.Context, p Place) (Opened, error) {
	_, end, err := k.begin(ctx)
	if err != nil {
		return Opened{}, err
	}
	defer end()
	if err := k.beginOurs(); err != nil {
		return Opened{}, err
	}
	defer k.nudge()
	if p.Server != "" {
		if p.Account != (Account{}) {
			return Opened{}, fmt.Errorf("a door is an account's or a server's: %w", ErrRefused)
		}
		s, err := k.server(p.Server)
		if err != nil {
			return Opened{}, err
		}
		return s.openInner(p)
	}
	a, err := k.account(ctx, p.Account)
	if err == nil {
		err = k.mayRun("", a)
	}
	if err != nil {
		return Opened{}, fmt.Errorf("open a door: %w", err)
	}
	dir, sock := accountDoor(a.UID)
	_, out, err := k.doors.openDoor(&door{place: p, dirName: dir, sockName: sock, uid: a.UID, gid: a.GID, replaced: k.replaced})
	return out, err
}

// CloseDoor removes a door's socket. An account that is not there any more has a
// door that can be closed.
func (k *Keep) CloseDoor(ctx context.Context, p Place) error {
	_, end, err := k.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	name, _ := accountDoor(p.Account.UID)
	if p.Server != "" {
		name = innerName(p.Server) // compared, and nothing else
	}
	d := k.doors.find(name)
	if d == nil {
		return nil
	}
	return k.closeDoor(d)
}

// accountDoor gives the names under which an account's tmux looks.
func accountDoor(uid uint32) (dir, sock string) {
	return "tmux-" + strconv.FormatUint(uint64(uid), 10), "default"
}

// listener tells who listens on the socket sockName in the directory dirName of parent:
// connect, ask the kernel, close, and not a byte in between. A full backlog is somebody too.
// The directory is an account's: what is there and no socket is nobody, and neither a link
// nor a mount there leads us elsewhere.
func listener(parent *os.File, dirName, sockName string) (unix.Ucred, bool) {
	dir, err := openDirAt(int(parent.Fd()), dirName)
	if err != nil {
		return unix.Ucred{}, false
	}
	defer dir.Close()
	sock, err := pinAt(int(dir.Fd()), sockName)
	if err != nil {
		return unix.Ucred{}, false
	}
	defer sock.Close()
	if st, err := statFile(sock); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return unix.Ucred{}, false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return unix.Ucred{}, false
	}
	defer passed.Quit(fd) // whoever listens may have put something into it
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: procPath(sock)})
	if errors.Is(err, unix.EAGAIN) {
		return unix.Ucred{}, true
	}
	if err != nil {
		return unix.Ucred{}, false
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return unix.Ucred{}, true
	}
	return *cred, true
}
