package sockets

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// renamed is a program of this host under another name.
func (z *cage) renamed(program, name string) string {
	z.t.Helper()
	to := z.base + "/" + name
	if statOf(to) != [3]uint64{} {
		return to
	}
	from, err := exec.LookPath(program)
	z.must(err)
	data, err := os.ReadFile(from)
	z.must(err)
	z.must(tmuxtest.WriteProgram(to, data, 0o755))
	return to
}

// zoo is a cage with everything at once, and what is to be found there.
type zoo struct {
	*cage
	kinds  map[string]bool // of states
	states int
	mends  []string // what muxward finds and mends
	told   []string // what it finds, and people mend
	people []func() // who do what they are told
}

// state counts one thing that is there, of a kind.
func (z *zoo) state(kind string) {
	z.kinds[kind] = true
	z.states++
}

// wrong is something that muxward mends.
func (z *zoo) wrong(id, path string) { z.mends = append(z.mends, "MW-"+id+" "+path) }

// forPeople are findings about one path that people mend.
func (z *zoo) forPeople(kind, ids, path string, mend func()) {
	z.state(kind)
	for id := range strings.FieldsSeq(ids) {
		z.told = append(z.told, "MW-"+id+" "+path)
	}
	z.people = append(z.people, mend)
}

// base is another place for directories of sockets, beside the cage's own.
func (z *zoo) base(name string, mode uint32) *cage {
	z.t.Helper()
	at := z.cage.base + "/" + name
	z.must(os.Mkdir(at, 0o755))
	z.must(unix.Chmod(at, mode))
	return &cage{t: z.t, base: at}
}

// usual is what each account has: in order, and what is wrong mostly.
func (z *zoo) usual(who string) {
	dir := z.dir(who, 0o700)
	live := z.server(who, dir+"/live", 0)
	z.state("live")
	z.server(who, dir+"/net", unix.CLONE_NEWNET)
	z.state("live in another network namespace")
	attached := z.server(who, dir+"/attached", 0)
	z.must(os.Chmod(attached.path, 0o770))
	z.state("live, with x bits")
	gone := z.server(who, dir+"/gone", 0)
	z.must(os.Remove(gone.path))
	z.wrong("S002", gone.path)
	z.state("live, and unlinked")
	z.wrong("S001", z.killed(who, dir+"/killed"))
	z.state("a server was killed")
	for i, n := range []string{"x\ny", "-rf", "\x1b[31m", "long" + strings.Repeat("x", 120)} {
		z.wrong("S001", z.socket(fmt.Sprintf("%s/%d%s", dir, i, n), who, 0o660))
		z.state(fmt.Sprintf("dead, with an odd name (%d)", i))
	}
	for program, name := range map[string]string{"tmux-next": "next", "tmux3.9": "other version"} {
		z.program = z.renamed("tmux", program)
		z.server(who, dir+"/"+name, 0)
		z.state("live, of " + program)
	}
	fork := fmt.Sprintf("%s/tmate-%d", z.cage.base, live.as.UID)
	z.must(os.Mkdir(fork, 0o700))
	z.must(os.Chown(fork, int(live.as.UID), int(live.as.GID)))
	z.program = z.renamed("tmux", "tmate")
	z.server(who, fork+"/live", 0)
	z.program = ""
	z.state("live, of a fork")
	z.wrong("S001", z.socket(fork+"/dead", who, 0o600))
	z.state("dead, of a fork")
	z.listening(dir+"/agent", who, 0o600)
	z.state("what is no tmux listens")
	z.file(dir+"/live.lock", who)
	z.state("a lock")
	switch who {
	case viewer:
		z.must(os.Chmod(dir, 0o750))
		z.wrong("S005", dir)
		z.wrong("S004", attached.path) // the others' sockets have mode 0600
		z.state("a directory that a group may pass")
		z.state("live, and open to that group")
	case typist:
		z.acl(dir, live.as.UID+1, 1)
		z.wrong("S005", dir)
		z.acl(live.path, live.as.UID+1, 6)
		z.wrong("S004", live.path)
		z.wrong("S004", attached.path) // the ACL lets its account pass, whose group may connect
		z.state("a directory with an ACL")
		z.state("live, with an ACL")
	}
}

// killed is the socket of a server that was.
func (z *zoo) killed(who, path string) string {
	s := z.server(who, path, 0)
	s.kill()
	z.servers = slices.DeleteFunc(z.servers, func(o *server) bool { return o == s })
	return path
}

// odd is what alice has in another base: namespaces, and what people mend.
func (z *zoo) odd(c *cage) {
	dir := c.dir(owner, 0o700)
	for name, flags := range map[string]uintptr{"processes": unix.CLONE_NEWPID, "mounts": unix.CLONE_NEWNS,
		"container": unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC} {
		z.server(owner, dir+"/"+name, flags)
		z.state("live in other namespaces: " + name)
	}
	z.wrong("S001", c.socket(dir+"/dead-open", owner, 0o777))
	z.state("dead, and open to all")
	open := z.server(owner, dir+"/open", 0)
	z.must(os.Chmod(open.path, 0o777))
	z.state("live, open to all, and nobody may pass")
	z.must(os.Mkdir(dir+"/sub", 0o700))
	z.must(os.Chown(dir+"/sub", int(open.as.UID), int(open.as.GID)))
	z.state("a directory among the sockets")

	stopped := z.server(owner, dir+"/stopped", 0)
	z.must(stopped.cmd.Process.Signal(syscall.SIGSTOP))
	z.forPeople("live, and stopped", "S012", stopped.path, func() { z.must(stopped.cmd.Process.Signal(syscall.SIGCONT)) })
	first := z.server(owner, dir+"/taken", 0)
	z.must(os.Rename(first.path, dir+"/first"))
	z.must(os.Remove(dir + "/first"))
	z.server(owner, dir+"/taken", 0)
	z.forPeople("live, and another server at its path", "S003", first.path, func() {
		first.kill()
		z.servers = slices.DeleteFunc(z.servers, func(o *server) bool { return o == first })
	})
	twice := z.server(owner, dir+"/twice", 0)
	z.must(os.Link(twice.path, z.cage.base+"/second-live"))
	z.forPeople("live, with a second name", "S011", twice.path, func() { z.must(os.Remove(z.cage.base + "/second-live")) })
	dead := c.socket(dir+"/dead-twice", owner, 0o600)
	z.must(os.Link(dead, z.cage.base+"/second-dead"))
	z.forPeople("dead, with a second name", "S001 S011", dead, func() { z.must(errors.Join(os.Remove(z.cage.base+"/second-dead"), os.Remove(dead))) })
	joined := z.server(owner, dir+"/joined", 0)
	z.forPeople("live, another account connected", "S016", joined.path, z.connected(joined.path, viewer))
	remove := func(path string) func() { return func() { z.must(os.Remove(path)) } }
	z.must(os.Symlink(z.cage.base+"/elsewhere", dir+"/a.lock"))
	z.forPeople("a lock that leads elsewhere", "S009", dir+"/a.lock", remove(dir+"/a.lock"))
	z.forPeople("a lock that another account holds", "S008 S010", z.heldLock(dir+"/b.lock"), remove(dir+"/b.lock"))
	z.forPeople("a file where a socket should be", "S009", z.file(dir+"/default", owner), remove(dir+"/default"))
	z.must(unix.Mkfifo(dir+"/fifo", 0o600))
	z.must(os.Chown(dir+"/fifo", int(open.as.UID), int(open.as.GID)))
	z.forPeople("a fifo where a socket should be", "S009", dir+"/fifo", remove(dir+"/fifo"))
	z.forPeople("another account's socket", "S008", c.socket(dir+"/planted", stranger, 0o777), remove(dir+"/planted"))
}

// places are directories that are wrong as a whole, or are in a place that is.
func (z *zoo) places(c *cage) (more []*cage) {
	dir := c.dir(viewer, 0o711)
	live := z.server(viewer, dir+"/live", 0)
	z.must(os.Chmod(live.path, 0o666))
	z.wrong("S005", dir)
	z.wrong("S004", live.path)
	z.state("live, open to all")
	z.state("a directory that all may pass")
	dir = c.dir(root, 0o770)
	z.wrong("S005", dir)
	z.state("a directory of root's for a group")

	mallory, taken := tmuxtest.As(z.t, stranger), c.dir(typist, 0o700)
	z.must(os.Chown(taken, int(mallory.UID), int(mallory.GID)))
	z.forPeople("its place, taken by another", "S007", taken, func() { z.must(os.RemoveAll(taken)) })
	link := c.dir(stranger, 0o700)
	z.must(os.Rename(link, link+".real"))
	z.must(os.Symlink(link+".real", link))
	z.forPeople("its place, a link", "S007", link, func() { z.must(os.Remove(link)) })

	above := z.base("all", 0o777)
	dir = above.dir(owner, 0o700)
	z.server(owner, dir+"/live", 0)
	z.forPeople("a directory above for all", "S006", dir, func() { z.must(unix.Chmod(above.base, 0o1777)) })
	sticky := z.base("sticky", 0o1777)
	z.server(owner, sticky.dir(owner, 0o700)+"/live", 0)
	z.state("a directory above for all, sticky")
	return []*cage{above, sticky}
}

// Five accounts have everything at once, 102 states of 42 kinds, and 46 servers among
// them, in namespaces and of other programs as well: root's tidy-up of the whole host finds
// exactly what is wrong, and mends what is safe to mend. What is for people to mend stays
// as it is until they do; then a look finds nothing. Every server lives, with its sessions,
// at its path. The control runs are those of SK-04 to SK-14.
func TestSKZoo(t *testing.T) {
	z := &zoo{cage: newCage(t), kinds: map[string]bool{}}
	for _, who := range []string{owner, viewer, typist, stranger, root} {
		z.usual(who)
	}
	second := z.base("second", 0o755)
	z.odd(second)
	where := []string{"--dir", second.base}
	for _, c := range z.places(second) {
		where = append(where, "--dir", c.base)
	}
	slices.Sort(z.told)
	want := slices.Sorted(slices.Values(append(z.mends, z.told...)))
	if got := z.finds(where); !slices.Equal(got, want) {
		t.Fatalf("found\n%q\nwant\n%q", got, want)
	}
	if r := z.fix(root, where...); r.Code != 0 {
		t.Errorf("fix: %+v", r)
	}
	if got := z.finds(where); !slices.Equal(got, z.told) {
		t.Errorf("after fix there is\n%q\nwant\n%q", got, z.told)
	}
	was := z.listing(z.cage.base)
	if r := z.fix(root, where...); r.Code != 0 || !strings.Contains(r.Out, "nothing that muxward would mend") {
		t.Errorf("a second fix does something: %+v", r)
	}
	if now := z.listing(z.cage.base); !maps.Equal(now, was) {
		t.Errorf("a second fix changed\n%q\nto\n%q", was, now)
	}
	for _, mend := range z.people {
		mend()
	}
	if got := z.finds(where); len(got) > 0 {
		t.Errorf("when people have done the rest there is %q", got)
	}
	z.allLive()
	for _, s := range z.servers {
		if !connects(s.path) {
			t.Errorf("%s is out of reach", s.path)
		}
		if s.cmd.SysProcAttr.Cloneflags == 0 && !strings.Contains(s.tmux("list-sessions"), "kept") {
			t.Errorf("the session of %s is gone", s.path)
		}
	}
	if len(z.kinds) < 40 {
		t.Errorf("only %d kinds of states", len(z.kinds))
	}
	t.Logf("%d states of %d kinds; %d findings that muxward mends, %d that people do; %d servers live", z.states, len(z.kinds), len(z.mends), len(z.told), len(z.servers))
}

// finds gives what is found in the zoo.
func (z *zoo) finds(where []string) (out []string) {
	z.t.Helper()
	l := z.scan(root, where...)
	for _, f := range l.Findings {
		out = append(out, f.ID+" "+string(f.Path))
	}
	if !l.Complete {
		z.t.Errorf("not all was looked at: %+v", l.Scan.Skipped)
	}
	slices.Sort(out)
	return out
}
