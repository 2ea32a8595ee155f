package sockets

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What a tmux has from the tmux that started it is that one's. What it has from
// anybody else is its own, whatever that one is called: it is a server.
func TestCopies(t *testing.T) {
	for program, want := range map[string]bool{"tmux": true, "muxward": false, "": false} {
		w := (&looker{list: newKernelList(fromDiag, nil)}).newWorld(t.Context(), []process{
			{pid: 10, program: program, uid: alice, inodes: []uint64{1, 2}},
			{pid: 11, parent: 10, program: "tmux", uid: alice, inodes: []uint64{2}},
		})
		if got := w.copied(w.byPID[11], 2); got != want {
			t.Errorf("parent %q: copied %v", program, got)
		}
		if holder := w.holds[2]; (holder == 10) != want {
			t.Errorf("parent %q: process %d holds it", program, holder)
		}
	}
}

// Only root's muxward and one's own guard one's servers.
func TestOurs(t *testing.T) {
	for _, c := range []struct {
		program string
		uid     uint32
		firm    bool
		want    bool
	}{
		{"muxward", 0, true, true}, {"muxward", 0, false, false}, {"muxward", alice, true, true}, {"muxward", alice, false, true},
		{"muxward", bob, true, false}, {"tmux", alice, false, false}, {"tmux", 0, true, false}, {"", 0, true, false},
	} {
		w := (&looker{list: newKernelList(fromDiag, nil)}).newWorld(t.Context(), []process{{pid: 10, program: c.program, uid: c.uid, firm: c.firm}})
		if got := w.ours(10, alice); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// A muxward of another account guards where root's muxward-helper has started it to work
// for it, and has the other end of its line. One that is a child of root's otherwise, as
// servers are, does not, whatever it is called and whatever it holds.
func TestOursBesideHelper(t *testing.T) {
	for name, c := range map[string]struct {
		change func(helper, muxward *process, a, b *entry)
		want   bool
	}{
		"as it is":                 {func(*process, *process, *entry, *entry) {}, true},
		"another's helper":         {func(h, _ *process, _, _ *entry) { h.uid = bob }, false},
		"a helper of one's own":    {func(h, _ *process, _, _ *entry) { h.firm = false }, false},
		"below root's muxward":     {func(h, _ *process, _, _ *entry) { h.exe = "/usr/bin/muxward" }, false},
		"below root's pane":        {func(h, _ *process, _, _ *entry) { h.exe, h.program = "/usr/libexec/muxward-pane", "" }, false},
		"another program":          {func(_, m *process, _, _ *entry) { m.firm = false }, false},
		"no line":                  {func(_, m *process, _, _ *entry) { m.inodes = nil }, false},
		"a line to somebody else":  {func(h, _ *process, _, _ *entry) { h.inodes = nil }, false},
		"a connection":             {func(_, _ *process, a, b *entry) { a.typ, b.typ = unix.SOCK_STREAM, unix.SOCK_STREAM }, false},
		"what the helper accepted": {func(_, _ *process, _, b *entry) { b.name = "/run/s" }, false},
	} {
		h := process{pid: 9, program: "muxward", exe: "/usr/libexec/muxward-helper", firm: true, inodes: []uint64{1}}
		m := process{pid: 10, parent: 9, program: "muxward", exe: "/usr/bin/muxward", uid: bob, firm: true, inodes: []uint64{7, 2}}
		a := entry{inode: 2, peer: 1, typ: unix.SOCK_SEQPACKET, state: stateEstablished}
		b := entry{inode: 1, peer: 2, typ: unix.SOCK_SEQPACKET, state: stateEstablished}
		c.change(&h, &m, &a, &b)
		w := (&looker{list: newKernelList(fromDiag, []entry{a, b})}).newWorld(t.Context(), []process{h, m})
		if got := w.ours(10, alice); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A file is root's to change, and nobody else's, or what runs it may be anybody's.
func TestFirm(t *testing.T) {
	for name, c := range map[string]struct {
		uid  int
		mode uint32
		want bool
	}{
		"root's": {0, 0o755, true}, "root's group's": {0, 0o775, true}, "everybody's": {0, 0o757, false},
		"another's": {int(alice), 0o755, false}, "setuid": {0, 0o4755, false}, "setgid": {0, 0o2755, false},
	} {
		file := t.TempDir() + "/muxward"
		if err := errors.Join(os.WriteFile(file, nil, 0o700), os.Chown(file, c.uid, 0), unix.Chmod(file, c.mode)); err != nil {
			tmuxtest.Skip(t, "needs root: %v", err)
		}
		fd, err := unix.Open(filepath.Dir(file), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := (procDir{fd: fd}).firm("muxward"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		_ = unix.Close(fd)
	}
}

// The list is asked for while processes are looked into: who began to listen after it was
// looked into is looked into once more, whatever it runs.
func TestListensSince(t *testing.T) {
	path := t.TempDir() + "/s"
	var st unix.Stat_t
	if err := errors.Join(unix.Listen(int(bind(t, path).Fd()), 1), unix.Lstat(path, &st)); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"muxward", "tmux", ""} {
		l := newLooker(Options{})
		l.listSockets()
		w := l.newWorld(t.Context(), []process{{pid: os.Getpid(), program: program}})
		at := Socket{Path: Path(path), File: fileOf(st)}
		if w.listener(&at); at.PID != os.Getpid() {
			t.Errorf("%q: process %d listens, %q", program, at.PID, at.Program)
		}
		l.knockers.end()
	}
}

// Who is not root does not see who holds a door of theirs. Whoever listens with a socket
// of another account is told of, and root, who sees them all, is told of who hides.
func TestHolderNotSeen(t *testing.T) {
	at := Socket{Path: "/d/s", File: File{Kind: "socket", UID: alice, Ino: 8}, Life: Live}
	for name, c := range map[string]struct {
		blind bool
		uid   uint32
		pid   int
		want  Place
	}{
		"hers, not seen": {true, alice, 0, Unseen}, "another's": {true, bob, 0, Taken}, "root looks": {false, alice, 0, Taken}, "somebody is seen": {true, alice, 3, Taken},
	} {
		at.UID, at.PID = c.uid, c.pid
		w := &world{blind: c.blind}
		if got := w.place(process{pid: 9, uid: alice}, &entry{inode: 1, hasFile: true, ino: 7}, pathNow{sock: at}); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A door is at the path of a server that muxward guards. What looks like one, and
// anybody could have made, is none where root's muxward runs.
func TestDoors(t *testing.T) {
	closed, open := &File{UID: alice, Mode: 0o500}, &File{UID: alice, Mode: 0o700}
	roots, hers := &File{Mode: 0o755}, &File{UID: alice, Mode: 0o755}
	dead := Socket{Path: "/d/s", File: File{Kind: "socket", UID: alice}, Life: Dead}
	plain := Socket{Path: "/d/s", File: File{Kind: "file", UID: alice}}
	kept := File{Kind: "socket", UID: alice, Ino: 7}
	for name, c := range map[string]struct {
		now         pathNow
		rootMuxward bool
		want        Place
	}{
		"dead door, of root's":         {pathNow{above: closed, base: roots, sock: dead}, true, Door},
		"dead door, of one's own":      {pathNow{above: closed, base: hers, sock: dead}, false, Door},
		"a made one beside root's":     {pathNow{above: closed, base: hers, sock: dead}, true, Taken},
		"a file in a closed directory": {pathNow{above: closed, base: roots, sock: plain}, true, Taken},
		"an open directory":            {pathNow{above: open, base: roots, sock: dead}, true, Taken},
		"kept by root's":               {pathNow{above: closed, base: roots, kept: kept, gone: true}, true, Door},
		"kept by oneself":              {pathNow{above: closed, base: hers, kept: kept, gone: true}, true, Gone},
		"kept in what all may write":   {pathNow{above: closed, base: &File{Mode: 0o1777}, kept: kept, gone: true}, true, Gone},
	} {
		w := &world{rootMuxward: c.rootMuxward}
		if got := w.place(process{pid: 9, uid: alice}, &entry{inode: 1, hasFile: true, ino: 7}, c.now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Numbers of inodes are small and alike on all file systems: what is at the path of a
// server is its socket only on the same one, where that can be told.
func TestAnotherDevice(t *testing.T) {
	at := Socket{Path: "/d/s", File: File{Kind: "socket", UID: alice, Ino: 7, Dev: unix.Mkdev(0, 40)}, Life: Live}
	for inside, other := range map[bool]Place{true: Taken, false: Here} {
		w := &world{}
		for minor, want := range map[uint32]Place{40: Here, 41: other} {
			e := &entry{inode: 1, hasFile: true, ino: 7, dev: kernelDev(unix.Mkdev(0, minor)), name: "/d/s"}
			if got := w.place(process{pid: 9, uid: alice}, e, pathNow{sock: at, inside: inside}); got != want {
				t.Errorf("%t, device %d: %s, want %s", inside, minor, got, want)
			}
		}
	}
}

// Whether devices are compared goes by where a socket is, and not by what the path to it
// looks like: a link may lead to another file system.
func TestDevicesInside(t *testing.T) {
	dir, other := t.TempDir(), "/dev/shm"
	var here, there unix.Statfs_t
	if err := errors.Join(unix.Statfs(dir, &here), unix.Statfs(other, &there)); err != nil || there.Type != unix.TMPFS_MAGIC {
		tmuxtest.Skip(t, "needs a tmpfs at %s: %v", other, err)
	}
	target, err := os.MkdirTemp(other, "muxward-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(target) }) // it may be gone
	_ = bind(t, target+"/s")
	if err := os.Symlink(target, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	l := newLooker(Options{})
	defer l.knockers.end()
	l.listSockets()
	l.mounts = mounts{{point: "/", fs: "overlay"}}
	if at := l.pathNow(dir+"/link/s", uint32(os.Geteuid())); at.sock.Kind != "socket" || !at.inside {
		t.Errorf("through a link: %+v", at)
	}
}

// A connection that is accepted a moment later did not wait.
func TestStillPending(t *testing.T) {
	all := []Socket{
		{Path: "/busy", File: File{Ino: 1}, Pending: 2}, {Path: "/quick", File: File{Ino: 2}, Pending: 1}, {Path: "/gone", File: File{Ino: 3}, Pending: 1},
	}
	stillPending(all, newKernelList(fromDiag, []entry{
		{inode: 11, hasFile: true, ino: 1, name: "/busy", state: stateListen, pending: 5},
		{inode: 12, hasFile: true, ino: 2, name: "/quick", state: stateListen},
	}))
	if all[0].Pending != 2 || all[1].Pending != 0 || all[2].Pending != 0 {
		t.Errorf("%+v", all)
	}
}

// Whether an account exists is known where files of this host say so, and nobody
// else is asked.
func TestOnlyFiles(t *testing.T) {
	for text, want := range map[string]bool{
		"passwd: files systemd\n": true, "passwd:\tfiles\n": true, "passwd: compat\n": false,
		"passwd: files sss\n": false, "passwd: files ldap\n": false, "group: ldap\n": true,
	} {
		if got := onlyFiles(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What TMUX names is one path, however it is written.
func TestNamesAreClean(t *testing.T) {
	var p process
	p.environment([]byte("TMUX=/tmp/../srv//s,1,0\x00"))
	if p.tmux != "/srv/s" {
		t.Errorf("%q", p.tmux)
	}
}
