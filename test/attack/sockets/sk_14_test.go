package sockets

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The attacker prepares the place to which dead sockets are moved: a symbolic
// link to a directory elsewhere, one of another account, one that is open, or
// full. Nothing is moved then, and nothing made elsewhere; in the control run, to
// an orderly place, it is.
func TestSK14Quarantine(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(z *cage, q string)
		moved   bool
	}{
		{"link", func(z *cage, q string) { z.must(os.Symlink(z.elsewhere(), q)) }, false},
		{"file", func(z *cage, q string) { z.file(q, owner) }, false},
		{"another account's", func(z *cage, q string) {
			z.must(os.Mkdir(q, 0o700))
			z.must(os.Chown(q, int(tmuxtest.As(z.t, stranger).UID), 0))
		}, false},
		{"open", func(z *cage, q string) { z.own(q); z.must(os.Chmod(q, 0o777)) }, false},
		{"full", func(z *cage, q string) {
			z.own(q)
			for i := range 1000 {
				z.must(os.WriteFile(fmt.Sprint(q, "/", i), nil, 0o600))
			}
		}, false},
		{"control", func(z *cage, q string) { z.own(q) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := newCage(t)
			dir := z.dir(owner, 0o700)
			dead := z.socket(dir+"/dead", owner, 0o600)
			c.prepare(z, dir+"/.muxward-quarantine")
			before := len(z.listing(z.elsewhere()))
			was := statOf(dead)
			r := z.fix(root)
			if moved := statOf(dead) != was; moved != c.moved || (r.Code == 0) != c.moved {
				t.Errorf("%+v", r)
			}
			if n := len(z.listing(z.elsewhere())); n != before {
				t.Errorf("elsewhere there are %d things, before it were %d", n, before)
			}
		})
	}
}

// The attacker may write into alice's directory, so that a place that is free for a
// moment is theirs. Nothing is moved out of it before it is closed; in the control
// run it is closed first.
func TestSK14OpenDirectory(t *testing.T) {
	z := newCage(t)
	dead := z.socket(z.dir(owner, 0o777)+"/dead", owner, 0o600)
	if r := z.fix(root, "MW-S001"); r.Code != 1 || statOf(dead) == [3]uint64{} {
		t.Errorf("%+v", r)
	}
	if r := z.fix(root); r.Code != 0 || statOf(dead) != [3]uint64{} {
		t.Errorf("control run: %+v", r)
	}
}

// elsewhere is a directory that is open to all.
func (z *cage) elsewhere() string {
	z.t.Helper()
	if err := os.Mkdir(z.base+"/elsewhere", 0o777); err != nil && !os.IsExist(err) {
		z.t.Fatal(err)
	}
	return z.base + "/elsewhere"
}

// own makes a directory of alice's.
func (z *cage) own(path string) {
	z.t.Helper()
	a := tmuxtest.As(z.t, owner)
	z.must(os.Mkdir(path, 0o700))
	z.must(os.Chown(path, int(a.UID), int(a.GID)))
}

func (z *cage) restore(who, path string) host.Result {
	z.t.Helper()
	return z.muxward(who, "restore", "--state", z.state(who), path)
}

// Sockets of one name are moved one after the other, and each has a place of its
// own. One that is put back replaces nothing: while a new server is at the path,
// it stays where it is; a link among what was moved is no socket.
func TestSK14Restore(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	for range 3 {
		z.socket(dir+"/dead", owner, 0o600)
		if r := z.fix(owner); r.Code != 0 {
			t.Fatalf("%+v", r)
		}
	}
	moved, _ := filepath.Glob(dir + "/.muxward-quarantine/dead.*")
	if len(moved) != 3 {
		t.Fatalf("%v: want three", moved)
	}
	s := z.server(owner, dir+"/dead", 0)
	was := statOf(s.path)
	for _, who := range []string{root, owner, stranger} {
		if r := z.restore(who, moved[0]); r.Code == 0 || statOf(s.path)[1] != was[1] {
			t.Errorf("%s: over a server: %+v", who, r)
		}
	}
	s.kill()
	z.must(os.Remove(s.path))
	for _, bad := range []string{dir + "/dead", "/etc/passwd", dir + "/.muxward-quarantine", moved[0] + "x", "dead." + "aaaaaaaa"} {
		if r := z.restore(root, bad); r.Code == 0 {
			t.Errorf("%s: %+v", bad, r)
		}
	}
	z.must(os.Symlink(z.elsewhere(), dir+"/.muxward-quarantine/link.aaaaaaaa"))
	if r := z.restore(root, dir+"/.muxward-quarantine/link.aaaaaaaa"); r.Code == 0 {
		t.Errorf("a link: %+v", r)
	}
	id := statOf(moved[0])[1]
	if r := z.restore(root, moved[0]); r.Code != 0 || statOf(dir + "/dead")[1] != id {
		t.Errorf("control run: to a free place: %+v", r)
	}
}
