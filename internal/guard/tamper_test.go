package guard

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// acl is an access list that lets one more account read and write: version 2,
// then (tag, rights, id) each (linux/posix_acl_xattr.h).
func acl() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 6, ^uint32(0)}, {2, 6, otherUID}, {4, 0, ^uint32(0)}, {0x10, 6, ^uint32(0)}, {0x20, 0, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// listenElsewhere puts a socket of somebody else at path.
func listenElsewhere(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { _ = l.Close() })
}

// tampering is what may happen to a directory and its socket: by its account,
// by root, by cleaners.
type tampering struct {
	name string
	root bool
	do   func(dir, sock string) error
	said string
}

func tamperings(t *testing.T) []tampering {
	aside := tmuxtest.Dir(t, tmuxtest.Account{})
	unlocked := func(dir string, do func() error) error {
		st, err := os.Stat(dir)
		if err != nil {
			return err
		}
		return errors.Join(os.Chmod(dir, 0o700), do(), os.Chmod(dir, st.Mode().Perm()))
	}
	t.Cleanup(func() {
		if ents, _ := os.ReadDir(aside + "/trap"); len(ents) != 0 {
			t.Errorf("made behind a link: %v", ents)
		}
		if _, err := os.Lstat(aside + "/target"); err == nil {
			t.Error("made behind a link")
		}
	})
	return []tampering{
		{"directory readable", false, func(dir, _ string) error { return os.Chmod(dir, 0o755) }, "directory had mode 0755"},
		{"directory open", false, func(dir, _ string) error { return os.Chmod(dir, 0o777) }, "directory had mode 0777"},
		{"socket open", false, func(_, sock string) error { return os.Chmod(sock, 0o666) }, "had mode 0666"},
		{"socket closed", false, func(_, sock string) error { return os.Chmod(sock, 0) }, "had mode 0000"},
		{"socket given away", true, func(_, sock string) error { return os.Lchown(sock, otherUID, otherUID) }, fmt.Sprintf("belonged to uid %d", otherUID)},
		{"directory given away", true, func(dir, _ string) error { return os.Lchown(dir, otherUID, otherUID) }, fmt.Sprintf("belonged to uid %d", otherUID)},
		{"access list on the socket", false, func(_, sock string) error { return unix.Lsetxattr(sock, "system.posix_acl_access", acl(), 0) }, "access list"},
		{"access list on the directory", false, func(dir, _ string) error { return unix.Lsetxattr(dir, "system.posix_acl_access", acl(), 0) }, "access list"},
		{"socket deleted", false, func(dir, sock string) error {
			return unlocked(dir, func() error { return os.Remove(sock) })
		}, "gone"},
		{"file in its place", false, func(dir, sock string) error {
			at := aside + "/" + rand8()
			return errors.Join(os.WriteFile(at, nil, 0o600), unlocked(dir, func() error { return os.Rename(at, sock) }))
		}, "replaced"},
		{"link in its place", false, func(dir, sock string) error {
			at := aside + "/" + rand8()
			return errors.Join(os.Symlink(aside+"/target", at), unlocked(dir, func() error { return os.Rename(at, sock) }))
		}, "replaced"},
		{"socket in its place", false, func(dir, sock string) error {
			at := aside + "/" + rand8()
			listenElsewhere(t, at)
			return unlocked(dir, func() error { return os.Rename(at, sock) })
		}, "replaced"},
		{"second name", false, func(dir, sock string) error {
			return unlocked(dir, func() error { return os.Link(sock, aside+"/"+rand8()) })
		}, "more names"},
		// Within one parent, as our own account may not move a directory
		// that it cannot write to anywhere else.
		{"directory deleted", false, func(dir, _ string) error {
			at := filepath.Dir(dir) + "/" + rand8()
			return errors.Join(os.Rename(dir, at), os.Chmod(at, 0o700), os.RemoveAll(at))
		}, "directory"},
		{"directory moved", false, func(dir, _ string) error { return os.Rename(dir, filepath.Dir(dir)+"/"+rand8()) }, "directory"},
		{"link in the directory's place", false, func(dir, _ string) error {
			at := filepath.Dir(dir) + "/" + rand8()
			err := errors.Join(os.Mkdir(aside+"/trap", 0o777), os.Symlink(aside+"/trap", at))
			return errors.Join(err, unix.Renameat2(unix.AT_FDCWD, at, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE))
		}, "directory"},
	}
}

func rand8() string { return rand.Text()[:8] }

// Whatever happens to a door, it is put back and told, and nothing is ever
// made behind a link.
func TestDoorTampering(t *testing.T) {
	w := newWorld(t)
	d, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	count := accepting(t, d)
	dir := filepath.Dir(d.Path())
	for _, c := range tamperings(t) {
		t.Run(c.name, func(t *testing.T) {
			if c.root && !asRoot() {
				tmuxtest.Skip(t, "needs root to give files away")
			}
			w.t = t
			w.quiet()
			if err := c.do(dir, d.Path()); err != nil {
				t.Fatal(err)
			}
			w.heard("the door "+d.Path(), c.said, "put right")
			reachable(t, d.Path(), count)
			look(t, dir, unix.S_IFDIR, 0o500, w.acct.UID)
			look(t, d.Path(), unix.S_IFSOCK, 0o600, w.acct.UID)
			tidy(t, w)
		})
	}
}

// Whatever happens to a guarded socket, it is put back and told, and the same
// server is behind it.
func TestGuardedSocketTampering(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	dir := w.opt.Run + "/servers/" + s.kept.ID
	life := s.Incarnation()
	for _, c := range tamperings(t) {
		t.Run(c.name, func(t *testing.T) {
			if c.root && !asRoot() {
				tmuxtest.Skip(t, "needs root to give files away")
			}
			w.t = t
			w.quiet()
			if err := c.do(dir, dir+"/s"); err != nil {
				t.Fatal(err)
			}
			if n := w.heard("the guarded socket of alice", c.said, "put right"); n.Incarnation != life {
				t.Errorf("%+v", n)
			}
			tmuxtest.Eventually(t, func() bool {
				out, err := s.oneShot(t.Context(), "display-message", "-p", "#{pid}")
				return err == nil && strings.TrimSpace(string(out)) == fmt.Sprint(s.PID())
			}, "the server answers")
			settle(t, w, s)
			look(t, dir, unix.S_IFDIR, 0o700, w.acct.UID)
			look(t, dir+"/s", unix.S_IFSOCK, 0o600, w.acct.UID)
			tidy(t, w)
		})
	}
}

// settle waits until nothing is found wrong any more.
func settle(t *testing.T, w *world, s *Server) {
	t.Helper()
	id := s.kept.ID
	tmuxtest.Eventually(t, func() bool {
		return is(w.opt.Run+"/servers/"+id, unix.S_IFDIR|0o700, w.acct.UID) &&
			is(w.opt.Run+"/servers/"+id+"/s", unix.S_IFSOCK|0o600, w.acct.UID) &&
			is(w.opt.Doors+"/in-"+id, unix.S_IFDIR|0o500, w.acct.UID) &&
			is(w.opt.Doors+"/in-"+id+"/s", unix.S_IFSOCK|0o600, w.acct.UID)
	}, "all is as it should be%s", w.all())
	tidy(t, w)
}

// is reports whether a file has this kind and mode and belongs to uid, and has no
// more names; of what tmux marks sockets with, nothing.
func is(path string, mode, uid uint32) bool {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if mode&unix.S_IFMT == unix.S_IFSOCK {
		st.Mode &^= 0o111
	}
	return err == nil && st.Mode == mode && st.Uid == uid && (mode&unix.S_IFMT != unix.S_IFSOCK || st.Nlink == 1)
}

// tidy: no temporary directory stays.
func tidy(t *testing.T, w *world) {
	t.Helper()
	tmuxtest.Eventually(t, func() bool {
		for _, dir := range []string{w.opt.Doors, w.opt.Run + "/servers"} {
			ents, err := os.ReadDir(dir)
			if err != nil {
				return false
			}
			for _, e := range ents {
				if strings.HasPrefix(e.Name(), ".new-") {
					return false
				}
			}
		}
		return true
	}, "nothing temporary stays")
}

// tmux that is told to make its socket anew does so in front of our door, if
// it can: the socket is moved away again.
func TestSocketMadeAnew(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d")
	count := accepting(t, s.InnerDoor())
	for _, open := range []bool{false, true} {
		if open {
			if err := os.Chmod(filepath.Dir(s.InnerDoor().Path()), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Kill(s.PID(), unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool {
			_, err := s.oneShot(t.Context(), "display-message", "-p", "x")
			return err == nil
		}, "the server answers")
		settle(t, w, s)
		reachable(t, s.InnerDoor().Path(), count)
	}
}

// Even the top directories may go.
func TestRootsRemoved(t *testing.T) {
	for _, which := range []string{"d", "servers", "all"} {
		t.Run(which, func(t *testing.T) {
			w := newWorld(t)
			s := w.start("alice")
			run(t, s, "new-session", "-d")
			d, err := w.g.OpenDoor(w.acct)
			if err != nil {
				t.Fatal(err)
			}
			count, inner := accepting(t, d), accepting(t, s.InnerDoor())
			path := map[string]string{"d": w.opt.Doors, "servers": w.opt.Run + "/servers", "all": w.opt.Run}[which]
			writable(path)
			// Moved away in one go: what is put back is not removed again.
			away := filepath.Join(tmuxtest.Dir(t, tmuxtest.Account{}), "away")
			if err := os.Rename(path, away); err != nil {
				t.Fatal(err)
			}
			tmuxtest.Eventually(t, func() bool {
				writable(away) // the guard may have mended modes meanwhile
				return os.RemoveAll(away) == nil
			}, "it is removed")
			w.heard("removed or replaced")
			reachable(t, d.Path(), count)
			reachable(t, s.InnerDoor().Path(), inner)
			tmuxtest.Eventually(t, func() bool {
				_, err := s.oneShot(t.Context(), "display-message", "-p", "x")
				return err == nil
			}, "the server answers%s", w.all())
			settle(t, w, s)
			// And the next muxward finds it.
			_ = s.InnerDoor().Close()
			_ = d.Close()
			if err := w.g.Close(); err != nil {
				t.Fatal(err)
			}
			w.open()
			if again, ok := w.g.Lookup("alice"); !ok || again.PID() != s.PID() {
				t.Errorf("the next muxward does not find it%s", w.all())
			}
		})
	}
}

// A storm of events costs few looks, and the end is right.
func TestStorm(t *testing.T) {
	w := newWorld(t)
	d, err := w.g.OpenDoor(w.acct)
	if err != nil {
		t.Fatal(err)
	}
	count := accepting(t, d)
	for i := range 2000 {
		name := fmt.Sprintf("%s/storm%d", w.opt.Doors, i%7)
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Remove(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(d.Path(), 0o666); err != nil {
		t.Fatal(err)
	}
	w.heard("had mode 0666")
	reachable(t, d.Path(), count)
}
