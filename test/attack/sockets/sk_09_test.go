package sockets

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The attacker has root's tidy-up change what is not theirs: by a hard link to
// another's socket in their own directory, by a socket that belongs to somebody
// else, by an ACL or a setgid bit. Each is told of, and its mode, owner and ACL
// stay. The control run closes everything in the directory by its path.
func TestSK09OthersFiles(t *testing.T) {
	place := func(z *cage) (dir string, theirs []string) {
		alice := tmuxtest.As(z.t, owner)
		dir = z.dir(stranger, 0o2770)
		z.must(os.Chown(dir, int(tmuxtest.As(z.t, stranger).UID), int(alice.GID)))
		z.must(unix.Chmod(dir, 0o2770)) // chown has taken setgid away
		home := z.dir(owner, 0o700)
		linked := z.listening(home+"/s", owner, 0o666)
		z.must(os.Link(linked, dir+"/linked"))
		return dir, []string{linked, dir + "/linked", z.socket(dir+"/foreign", owner, 0o666), z.listening(dir+"/live", owner, 0o777)}
	}
	t.Run("attack", func(t *testing.T) {
		z := newCage(t)
		dir, theirs := place(z)
		was := z.listing(z.base)
		l := z.scan(root)
		for _, p := range theirs[1:] {
			if got := l.found(p); got != "S008" {
				t.Errorf("%s: found %q", p, got)
			}
		}
		for _, who := range []string{root, stranger} {
			_ = z.fix(who) // what it says is not the matter
			now := z.listing(z.base)
			for _, p := range theirs {
				if now[p] != was[p] {
					t.Errorf("%s: %s was %q and is %q", who, p, was[p], now[p])
				}
			}
		}
		if now := z.listing(z.base)[dir]; now == was[dir] {
			t.Error("the directory itself, which is theirs, was not closed")
		}
	})
	t.Run("control", func(t *testing.T) {
		z := newCage(t)
		dir, theirs := place(z)
		was := z.listing(z.base)
		all, _ := filepath.Glob(dir + "/*")
		for _, p := range all {
			z.must(os.Chmod(p, 0o600))
		}
		if z.listing(z.base)[theirs[0]] == was[theirs[0]] {
			t.Error("who goes by paths changes nothing of others: this is no test")
		}
	})
	t.Run("ACL", func(t *testing.T) {
		z := newCage(t)
		bob := tmuxtest.As(t, viewer).UID
		dir := z.dir(owner, 0o700)
		live := z.server(owner, dir+"/live", 0)
		z.acl(live.path, bob, 6)
		z.acl(dir, bob, 1)
		if l := z.scan(root); l.found(live.path) != "S004" || l.found(dir) != "S005" {
			t.Errorf("found %+v", l.Findings)
		}
		if r := z.fix(root); r.Code != 0 {
			t.Errorf("fix: %+v", r)
		}
		if l := z.scan(root); len(l.Findings) > 0 || !live.alive() {
			t.Errorf("after fix: %+v", l.Findings)
		}
	})
}

// acl gives one more account rights on a file.
func (z *cage) acl(path string, uid uint32, perm uint16) {
	z.t.Helper()
	le := binary.LittleEndian
	acl := le.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 7, ^uint32(0)}, {2, perm, uid}, {4, 0, ^uint32(0)}, {0x10, 7, ^uint32(0)}, {0x20, 0, ^uint32(0)}} {
		acl = le.AppendUint32(le.AppendUint16(le.AppendUint16(acl, e.tag), e.perm), e.id)
	}
	z.must(unix.Setxattr(path, "system.posix_acl_access", acl, 0))
}

// The attacker swaps what is at a path while root mends: the dead socket, and the live one
// of a tmux that anybody can come to, for each other, for a symbolic link to a file of their
// account's elsewhere, for a hard link to it; and their directory for another account's, and
// for a link to that. In every third round a server starts at the path meanwhile. Some
// rounds the directory is open, so that anybody can, and has to be closed first. No live
// socket is lost, and what is elsewhere stays as it is. In the control run root looks and
// acts by path, and loses.
func TestSK09Swaps(t *testing.T) {
	rounds := soak.N(10_000, 60)
	t.Run("attack", func(t *testing.T) {
		r := newRacecourse(t)
		done, started := map[string]int{}, 0
		raced := func() bool {
			for _, id := range []string{"MW-S001", "MW-S004", "MW-S005"} {
				if done[id+" mended"] == 0 || done[id+" left alone"] == 0 {
					return false
				}
			}
			return started > 0
		}
		n := 0
		for ; n < rounds || !raced() && n < 20*rounds; n++ {
			r.lay([]uint32{0o777, 0o711, 0o700, 0o711}[n%4])
			if n%3 == 2 {
				r.startIn = 1 + n*37%2000
			}
			steps := r.steps("MW-S001", "MW-S004", "MW-S005")
			r.still.Unlock()
			for _, s := range steps {
				d := r.mend(s)
				done[d.ID+" "+string(d.Outcome)]++
				if d.Outcome == sockets.Failed {
					t.Errorf("it was not left alone: %+v", d)
				}
			}
			if r.check(t) {
				started++
			}
			if n%1000 == 999 {
				t.Logf("%d rounds so far, a server started in %d: %v", n+1, started, done)
			}
		}
		t.Logf("%d rounds, a server started in %d: %v", n, started, done)
		if !raced() {
			t.Error("of one kind nobody was ever faster, or nobody slower: this is no race")
		}
	})
	t.Run("control", func(t *testing.T) {
		r := newRacecourse(t)
		for range soak.N(10_000, 2000) {
			r.lay(0o777)
			r.still.Unlock()
			if !connects(r.path) {
				_ = os.Chmod(r.path, 0o600)
				_ = os.Remove(r.path)
			}
			if lost, touched := r.harm(); lost || touched {
				return
			}
		}
		t.Error("who goes by paths never loses: this is no test")
	})
}

// racecourse is a directory in which a goroutine goes on swapping things.
type racecourse struct {
	*cage
	dir, path, aside, outside string
	server                    *server
	live                      uint64            // inode of its socket
	theirs                    map[string]string // another account's, as it has to stay

	still   sync.Mutex // held by who wants nothing swapped; it guards these:
	startIn int        // after how many swaps a server starts at path; 0 is none
	fd      int        // its socket, where it has, and
	started [3]uint64  // the file of that
}

func newRacecourse(t *testing.T) *racecourse {
	z := newCage(t)
	r := &racecourse{cage: z, dir: z.dir(owner, 0o777), fd: -1}
	r.path, r.aside, r.outside = r.dir+"/default", z.base+"/aside", z.base+"/outside"
	z.must(os.MkdirAll(r.aside+"/theirs", 0o755))
	z.must(os.WriteFile(z.file(r.outside, owner), []byte("outside"), 0o644))
	z.must(os.Chmod(r.outside, 0o644))
	bob := tmuxtest.As(t, viewer)
	z.must(os.Chown(r.aside+"/theirs", int(bob.UID), int(bob.GID)))
	z.must(os.Chmod(r.aside+"/theirs", 0o777))
	z.socket(r.aside+"/theirs/default", viewer, 0o660)
	z.listening(r.aside+"/theirs/live", viewer, 0o666)
	z.must(os.Symlink(r.aside+"/theirs", r.aside+"/dir"))
	r.theirs = z.listing(r.aside + "/theirs")
	r.server = z.server(owner, r.dir+"/live", 0)
	r.live = statOf(r.dir + "/live")[1]
	r.lay(0o777)
	r.still.Unlock()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			r.swap(i)
		}
	})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		if r.fd >= 0 {
			_ = unix.Close(r.fd)
		}
	})
	return r
}

// swap swaps two things, for as long as that takes.
func (r *racecourse) swap(i int) {
	live := r.dir + "/live"
	pairs := [][2]string{
		{r.path, live}, {r.path, r.aside + "/link"}, {r.path, r.aside + "/hard"},
		{live, r.aside + "/link"}, {live, r.aside + "/hard"},
		{r.dir, r.aside + "/theirs"}, {r.dir, r.aside + "/dir"},
	}
	two := pairs[i%len(pairs)]
	r.still.Lock()
	defer r.still.Unlock()
	if r.startIn > 0 {
		if r.startIn--; r.startIn == 0 {
			r.start()
		}
	}
	// What is not there cannot be swapped; the next one is another try.
	if unix.Renameat2(unix.AT_FDCWD, two[0], unix.AT_FDCWD, two[1], unix.RENAME_EXCHANGE) == nil {
		_ = unix.Renameat2(unix.AT_FDCWD, two[0], unix.AT_FDCWD, two[1], unix.RENAME_EXCHANGE)
	}
}

// start does at the path what a server does that starts, and is not there to be connected
// to until it is done.
func (r *racecourse) start() {
	alice := tmuxtest.As(r.t, owner)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	_ = os.Rename(r.path, r.aside+"/was") // root may have been faster
	if unix.Bind(fd, &unix.SockaddrUnix{Name: r.path}) != nil {
		_ = unix.Close(fd) // root has put back what was there
		return
	}
	r.fd = fd
	var st unix.Stat_t
	if unix.Lstat(r.path, &st) == nil {
		r.started = [3]uint64{st.Dev, st.Ino}
	}
	_ = unix.Lchown(r.path, int(alice.UID), int(alice.GID))
	_ = unix.Listen(fd, 4)
}

// lay puts everything where it was at the beginning, and a dead socket at the
// path, in a directory of that mode. Nothing is swapped until still is unlocked.
func (r *racecourse) lay(mode uint32) {
	r.t.Helper()
	r.still.Lock()
	if r.startIn = 0; r.fd >= 0 {
		_ = unix.Close(r.fd)
	}
	r.fd, r.started = -1, [3]uint64{}
	r.must(unix.Chmod(r.dir, mode))
	r.must(os.Rename(r.where(r.live), r.dir+"/live"))
	r.must(os.Chmod(r.dir+"/live", 0o666))
	for _, p := range []string{r.path, r.aside + "/link", r.aside + "/hard", r.aside + "/was"} {
		if err := os.Remove(p); err != nil && !os.IsNotExist(err) {
			r.t.Fatal(err)
		}
	}
	r.must(os.RemoveAll(r.dir + "/.muxward-quarantine"))
	r.must(os.Symlink(r.outside, r.aside+"/link"))
	r.must(os.Link(r.outside, r.aside+"/hard"))
	r.socket(r.path, owner, 0o660)
}

// where says where a socket is, by its inode, empty if nowhere.
func (r *racecourse) where(inode uint64) string {
	r.t.Helper()
	at := ""
	r.must(filepath.WalkDir(r.base, func(p string, _ os.DirEntry, err error) error {
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if statOf(p)[1] == inode {
			at = p
		}
		return nil
	}))
	return at
}

// harm says whether a live socket is gone or was put away, or what is elsewhere was
// touched.
func (r *racecourse) harm() (lost, touched bool) {
	r.t.Helper()
	r.still.Lock()
	defer r.still.Unlock()
	at := r.where(r.live)
	lost = at == "" || strings.Contains(at, "quarantine") || !r.server.alive()
	if r.fd >= 0 {
		at := r.where(r.started[1])
		lost = lost || at == "" || strings.Contains(at, "quarantine")
	}
	var st unix.Stat_t
	touched = unix.Stat(r.outside, &st) != nil || st.Mode&0o777 != 0o644 || st.Size != 7
	return lost, touched || !maps.Equal(r.listing(r.aside+"/theirs"), r.theirs)
}

// check fails if there is harm, and says whether a server has started.
func (r *racecourse) check(t *testing.T) bool {
	t.Helper()
	lost, touched := r.harm()
	if lost {
		t.Fatal("a live socket is lost")
	}
	if touched {
		t.Fatal("what is elsewhere was touched")
	}
	r.still.Lock()
	defer r.still.Unlock()
	return r.fd >= 0
}

// The attacker is alice herself, who puts another directory in the place of hers
// between root's look and root's step: by a link to somebody else's, where things
// have the same names, and by that directory itself. Nothing in it changes; what was
// found is not there any more. In the control run hers is put back, and is mended.
func TestSK09AnotherParent(t *testing.T) {
	z := newCage(t)
	dir, theirs := z.dir(owner, 0o755), z.dir(viewer, 0o755)
	z.socket(dir+"/dead", owner, 0o600)
	z.socket(theirs+"/dead", viewer, 0o600)
	var steps []sockets.Step
	for _, s := range z.steps("MW-S001", "MW-S005") {
		if s.Finding.UID == tmuxtest.As(t, owner).UID {
			steps = append(steps, s)
		}
	}
	if len(steps) != 2 {
		t.Fatalf("%d steps", len(steps))
	}
	hers, was := z.base+"/hers", z.listing(theirs)
	for name, put := range map[string]func(back bool){
		"a link": func(back bool) {
			if back {
				z.must(os.Remove(dir))
				return
			}
			z.must(os.Symlink(theirs, dir))
		},
		"itself": func(back bool) {
			if back {
				z.must(os.Rename(dir, theirs))
				return
			}
			z.must(os.Rename(theirs, dir))
		},
	} {
		z.must(os.Rename(dir, hers))
		put(false)
		for _, s := range steps {
			if d := z.mend(s); d.Outcome == sockets.Mended {
				t.Errorf("%s: %+v", name, d)
			}
		}
		put(true)
		z.must(os.Rename(hers, dir))
		if now := z.listing(theirs); !maps.Equal(now, was) {
			t.Errorf("%s: what is another's changed from %v to %v", name, was, now)
		}
	}
	for _, s := range steps {
		if d := z.mend(s); d.Outcome != sockets.Mended {
			t.Errorf("control run: %+v", d)
		}
	}
}
