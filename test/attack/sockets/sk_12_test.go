package sockets

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// state is one thing that can be wrong, or only looks so, about alice's sockets.
type state struct {
	name string
	// make makes it in dir; the path that it returns is what the finding is about.
	make func(z *cage, dir string) string
	// found are the ids about that path, and after those that are left when fix
	// has done what it does.
	found, after string
}

func states() []state {
	socket := func(name string, mode uint32) func(*cage, string) string {
		return func(z *cage, dir string) string { return z.socket(dir+"/"+name, owner, mode) }
	}
	live := func(change func(z *cage, dir string, s *server)) func(*cage, string) string {
		return func(z *cage, dir string) string {
			s := z.server(owner, dir+"/live", 0)
			if change != nil {
				change(z, dir, s)
			}
			return s.path
		}
	}
	return []state{
		{"dead", socket("dead", 0o660), "S001", ""},
		{"dead, where others may connect", socket("dead", 0o777), "S001", ""},
		{"live", live(nil), "", ""},
		{"live, with x bits as somebody is attached", live(func(z *cage, _ string, s *server) { z.must(os.Chmod(s.path, 0o770)) }), "", ""},
		{"live, open to all, and nobody may pass", live(func(z *cage, _ string, s *server) { z.must(os.Chmod(s.path, 0o777)) }), "", ""},
		{"live, open to a group", live(func(z *cage, dir string, s *server) {
			z.must(os.Chmod(s.path, 0o660))
			z.must(os.Chmod(dir, 0o710))
		}), "S004", ""},
		{"live, open to all", live(func(z *cage, dir string, s *server) {
			z.must(os.Chmod(s.path, 0o666))
			z.must(os.Chmod(dir, 0o711))
		}), "S004", ""},
		{"live, and unlinked", live(func(z *cage, _ string, s *server) { z.must(os.Remove(s.path)) }), "S002", ""},
		{"live, and another server at its path", live(func(z *cage, _ string, s *server) {
			z.must(os.Remove(s.path))
			z.server(owner, s.path, 0)
		}), "S003", "S003"},
		{"live, and a file at its path", live(func(z *cage, _ string, s *server) {
			z.must(os.Remove(s.path))
			z.must(os.WriteFile(s.path, []byte("mine"), 0o600))
		}), "S003 S008", "S003 S008"},
		{"live, and stopped", live(func(_ *cage, _ string, s *server) { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }), "S012", "S012"},
		{"live, with a second name", live(func(z *cage, dir string, s *server) { z.must(os.Link(s.path, z.base+"/second")) }), "S011", "S011"},
		{"dead, with a second name", func(z *cage, dir string) string {
			p := z.socket(dir+"/dead", owner, 0o600)
			z.must(os.Link(p, z.base+"/second"))
			return p
		}, "S001 S011", "S001 S011"},
		{"live, another account connected", live(func(z *cage, _ string, s *server) { z.connected(s.path, viewer) }), "S016", "S016"},
		{"a lock", func(z *cage, dir string) string { return z.file(dir+"/default.lock", owner) }, "", ""},
		{"a lock that leads elsewhere", func(z *cage, dir string) string {
			z.must(os.Symlink(z.base+"/elsewhere", dir+"/default.lock"))
			return dir + "/default.lock"
		}, "S009", "S009"},
		{"a lock that another account holds", func(z *cage, dir string) string { return z.heldLock(dir + "/default.lock") }, "S008 S010", "S008 S010"},
		{"a file where a socket should be", func(z *cage, dir string) string { return z.file(dir+"/default", owner) }, "S009", "S009"},
		{"another account's socket", func(z *cage, dir string) string { return z.socket(dir+"/planted", stranger, 0o777) }, "S008", "S008"},
		{"its place, taken by another", func(z *cage, dir string) string {
			z.must(os.Chown(dir, int(tmuxtest.As(z.t, stranger).UID), 0))
			return dir
		}, "S007", "S007"},
		{"its place, a link", func(z *cage, dir string) string {
			z.must(os.Rename(dir, dir+".real"))
			z.must(os.Symlink(dir+".real", dir))
			return dir
		}, "S007", "S007"},
		{"a directory for a group", func(z *cage, dir string) string { z.must(os.Chmod(dir, 0o770)); return dir }, "S005", ""},
		{"a directory above for all", func(z *cage, dir string) string { z.must(os.Chmod(z.base, 0o777)); return dir }, "S006", "S006"},
		{"a directory above for all, sticky", func(z *cage, dir string) string { z.must(unix.Chmod(z.base, 0o1777)); return dir }, "", ""},
	}
}

func (z *cage) file(path, who string) string {
	z.t.Helper()
	a := z.account(who)
	z.must(os.WriteFile(path, nil, 0o600))
	z.must(os.Chown(path, int(a.UID), int(a.GID)))
	return path
}

// connected is a connection to a server that is another account's, as the kernel
// tells whose sockets are, until end is called.
func (z *cage) connected(path, who string) (end func()) {
	z.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	z.must(err)
	end = sync.OnceFunc(func() { _ = unix.Close(fd) })
	z.t.Cleanup(end)
	a := tmuxtest.As(z.t, who)
	z.must(unix.Fchown(fd, int(a.UID), int(a.GID)))
	z.must(unix.Connect(fd, &unix.SockaddrUnix{Name: path}))
	return end
}

// heldLock is a lock file that a process of the stranger holds.
func (z *cage) heldLock(path string) string {
	z.t.Helper()
	f, err := os.Open(z.file(path, stranger))
	z.must(err)
	defer f.Close()
	cmd := tmuxtest.As(z.t, stranger).Command("flock", "/proc/self/fd/3", "cat")
	cmd.ExtraFiles = []*os.File{f}
	in, err := cmd.StdinPipe()
	z.must(err)
	z.must(cmd.Start())
	z.t.Cleanup(func() {
		_ = in.Close() // cat ends, and flock with it
		_ = cmd.Wait()
	})
	tmuxtest.Eventually(z.t, func() bool {
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || unix.Flock(int(f.Fd()), unix.LOCK_UN) != nil
	}, "the stranger holds the lock")
	return path
}

// Somebody has brought alice's sockets into each of the states that are known to
// be wrong, or that only look so. Each is found as what it is, and nothing else;
// fix mends what is safe to mend, and after it every session lives, what is for
// people to mend is as it was, and there is nothing left for fix to do. The
// control run is a script that removes what cannot be connected to: it does harm.
func TestSK12EveryState(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Fatal(err)
	}
	for _, c := range states() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			z := newCage(t)
			dir := z.dir(owner, 0o700)
			path := c.make(z, dir)
			l := z.scan(root)
			if got := l.found(path); got != c.found || !l.Complete {
				t.Errorf("found %q, want %q: %+v", got, c.found, l)
			}
			for _, f := range l.Findings {
				if p := string(f.Path); p != path && p != dir {
					t.Errorf("and found %s at %s", f.ID, p)
				}
			}
			was := z.listing(z.base)
			if r := z.fix(root); r.Code != 0 {
				t.Errorf("fix: %+v", r)
			}
			after := z.scan(root)
			if got := after.found(path); got != c.after {
				t.Errorf("after fix there is %q, want %q", got, c.after)
			}
			if c.found == c.after && c.found != "" {
				for p, what := range z.listing(z.base) {
					if was[p] != what && !strings.HasPrefix(p, z.base+"/state") {
						t.Errorf("%s was %q and is %q", p, was[p], what)
					}
				}
			}
			now := z.listing(z.base)
			if r := z.fix(root); r.Code != 0 || !strings.Contains(r.Out, "nothing that muxward would mend") {
				t.Errorf("a second fix does something: %+v", r)
			}
			if again := z.listing(z.base); len(again) != len(now) {
				t.Errorf("a second fix changed %v to %v", now, again)
			}
			z.allLive()
		})
	}
	t.Run("control", func(t *testing.T) {
		harm := 0
		for _, c := range states() {
			z := newCage(t)
			dir := z.dir(owner, 0o700)
			path := c.make(z, dir)
			was := statOf(path)
			if was != [3]uint64{} && !connects(path) {
				z.must(os.Remove(path))
			}
			if strings.Contains(c.after, "S0") && statOf(path) != was {
				harm++
			}
		}
		if harm < 5 {
			t.Errorf("the script did harm in %d states: this is no test", harm)
		}
	})
}

// allLive fails unless every server of the cage that ran still has its session.
func (z *cage) allLive() {
	z.t.Helper()
	for _, s := range z.servers {
		if !s.alive() {
			z.t.Errorf("the server of %s has ended", s.path)
		}
	}
}
