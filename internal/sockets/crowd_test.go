package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// One account makes more directories of sockets than are looked at. Those of
// accounts that run something are looked at all the same, it is said that there are
// more, and the many are one finding.
func TestManyTakenPlaces(t *testing.T) {
	base, dir := place(t)
	if err := bind(t, dir+"/dead").Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(base+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxDirs {
		if err := os.Link(base+"/file", fmt.Sprintf("%s/tmux-%d", base, 4_000_000+i)); err != nil { // which costs the least
			t.Fatal(err)
		}
	}
	s, err := Look(context.Background(), Options{Only: base, Settle: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Dirs) != maxDirs || s.Complete() {
		t.Errorf("%d directories, complete %v", len(s.Dirs), s.Complete())
	}
	count := map[string]int{}
	for _, f := range Judge(s, DefaultLimits()) {
		count[f.ID]++
		if f.ID == squatted && !strings.Contains(f.Evidence, fmt.Sprintf("and %d more", maxDirs-2)) {
			t.Errorf("%+v", f)
		}
	}
	if count[squatted] != 1 || count[deadSocket] != 1 {
		t.Errorf("found %v", count)
	}
}

// Processes of one account name so many directories that there is no room for
// others'. The host's own and those of others are looked at, and it is said whose
// were too many.
func TestManyNamedDirectories(t *testing.T) {
	var ps []process
	for i := range maxBases + 100 {
		ps = append(ps, process{uid: bob, tmpdir: fmt.Sprintf("/0/%d", i)})
	}
	ps = append(ps, process{uid: alice, tmpdir: "/alice"})
	bases, cut := newLooker(Options{}).bases(ps)
	has := map[string]bool{}
	for _, b := range bases {
		has[b] = true
	}
	if !has["/tmp"] || !has["/alice"] || !has["/0/0"] || has["/0/1000"] {
		t.Errorf("%d directories: /tmp %v, alice's %v", len(bases), has["/tmp"], has["/alice"])
	}
	if len(cut) != 1 || !strings.Contains(cut[0].Reason, fmt.Sprint(bob)) {
		t.Errorf("%+v", cut)
	}
}

// So many sockets elsewhere are named by processes of one account that it is told.
func TestManyNamedSockets(t *testing.T) {
	var ps []process
	for i := range maxNamed + 5 {
		ps = append(ps, process{uid: bob, tmpdir: "/", tmux: fmt.Sprintf("/0/%d", i)})
	}
	ps = append(ps, process{uid: alice, tmpdir: "/", tmux: "/alice"})
	named, more := newLooker(Options{}).elsewhere(t.Context(), ps, nil)
	if len(named) != maxNamed+1 || more != 5 || named[maxNamed].uid != alice {
		t.Errorf("%d named, %d more", len(named), more)
	}
}

// The list of another network namespace is read once, however many processes are in
// it.
func TestOtherNetworksAreReadOnce(t *testing.T) {
	l := newLooker(Options{})
	l.proc = t.TempDir()
	at := l.proc + "/7/net"
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	line := "0: 00000002 00000000 00010000 0001 01 77 /tmp/s\n"
	if err := os.WriteFile(at+"/unix", []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{7, 8, 9} {
		if list := l.apart(t.Context(), process{pid: pid, netNS: "net:[1]"}); list.get(77) == nil {
			t.Errorf("process %d: not in the list", pid)
		}
	}
	if list := l.apart(t.Context(), process{pid: 8, netNS: "net:[2]"}); list.get(77) != nil {
		t.Error("another namespace has the same list")
	}
}

// What does not answer is not asked again and again: not the same mount, and not
// one after the other. What is local always is.
func TestStuck(t *testing.T) {
	s := &stuck{on: map[string]int{}}
	for range maxStuckOn {
		if s.refuses(mount{point: "/a", fs: "nfs"}) != "" {
			t.Error("refused too early")
		}
		s.add(mount{point: "/a", fs: "nfs"})
	}
	if s.refuses(mount{point: "/a", fs: "nfs"}) == "" || s.refuses(mount{point: "/b", fs: "nfs"}) != "" {
		t.Error("a mount that does not answer is not told from others")
	}
	for i := range maxStuck {
		s.add(mount{point: fmt.Sprint(i), fs: "fuse"})
	}
	if s.refuses(mount{point: "/b", fs: "nfs"}) == "" || s.refuses(mount{point: "/", fs: "ext4"}) != "" {
		t.Error("with too many that do not answer")
	}
}

// The open files of one account are looked at up to a bound, and no longer.
func TestBudget(t *testing.T) {
	b := &budget{used: map[uint32]int{bob: maxOpenFilesOf}, over: map[uint32]bool{}}
	_ = bind(t, t.TempDir()+"/s")
	if inodes, _ := b.sockets("/proc/self", bob); len(inodes) > 0 || b.err() == nil {
		t.Errorf("beyond the bound: %v, %v", inodes, b.err())
	}
	b.over = map[uint32]bool{}
	if inodes, fds := b.sockets("/proc/self", alice); len(inodes) == 0 || len(fds) != len(inodes) || b.err() != nil {
		t.Errorf("another account: %v, %v", inodes, b.err())
	}
}

// What a process's TMUX names counts for who says it, and at the time that it says so: a
// process becomes another program, of another account, and keeps its number.
func TestVouched(t *testing.T) {
	proc := t.TempDir()
	at := proc + "/7"
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	uid := uint32(os.Geteuid())
	if err := errors.Join(os.Mkdir(at, 0o700), os.Mkdir(at+"/ns", 0o700), os.Symlink("/", at+"/root"), os.Symlink("mnt:[1]", at+"/ns/mnt")); err != nil {
		t.Fatal(err)
	}
	secure := func(n uint64) string {
		var auxv []byte
		for _, word := range []uint64{atSecure, n, 0, 0} {
			auxv = binary.NativeEndian.AppendUint64(auxv, word)
		}
		return string(auxv)
	}
	stat := func(start string) string {
		return "7 (sh) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " + start + " 0 0\n"
	}
	write("stat", stat("99"))
	write("status", fmt.Sprintf("Name:\tsh\nUid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", uid))
	write("environ", "TMUX=/srv/hers,1,0\x00")
	write("auxv", secure(0))
	l := newLooker(Options{})
	l.proc, l.ours = proc, map[string]string{"mnt": "mnt:[1]"}
	p, ok := l.process(7, l.ours, nil, true)
	if !ok || p.tmux != "/srv/hers" {
		t.Fatalf("it sees %+v", p)
	}
	if path, of := l.vouched(p); path != "/srv/hers" || of != uid {
		t.Errorf("%q of uid %d", path, of)
	}
	for _, c := range []struct{ name, text, want string }{
		{"environ", "TMUX=/srv/other,1,0\x00", "/srv/other"},
		{"environ", "A=b\x00", ""},
		{"status", "Name:\tsh\nUid:\t1\t4242\t1\t1\n", "/srv/hers"}, // of 4242, see below
		{"auxv", secure(1), ""},
		{"stat", stat("100"), ""},
	} {
		was, err := os.ReadFile(at + "/" + c.name)
		if err != nil {
			t.Fatal(err)
		}
		write(c.name, c.text)
		if c.name == "auxv" { // it counts for programs that run as another than who started them
			write("status", "Name:\tsh\nUid:\t1\t4242\t1\t1\n")
		}
		path, of := l.vouched(p)
		if path != c.want || c.name == "status" && of != 4242 {
			t.Errorf("with another %s: %q of uid %d", c.name, path, of)
		}
		write(c.name, string(was))
	}
}
