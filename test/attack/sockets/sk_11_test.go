package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The attacker has an account and asks muxward what is in directories of others.
// What they are told of a full directory of alice's is what they are told of an
// empty one. In the control run root is told of all that is there.
func TestSK11WhatOthersMaySee(t *testing.T) {
	tell := func(fill bool, who string) string {
		z := newCage(t)
		dir := z.dir(owner, 0o700)
		if fill {
			z.server(owner, dir+"/alicesown", 0)
			z.socket(dir+"/alicesdead", owner, 0o777)
			z.file(dir+"/alicesfile", owner)
		}
		r := z.muxward(who, "scan", "--json", "--settle", "1ns", "--only", z.base)
		if r.Code == 2 {
			t.Fatalf("%+v", r)
		}
		// When it was, and which inode it is, is what anybody may see of the directory.
		text := regexp.MustCompile(`"(time|changed|ino|dev)": ?("[^"]*"|[0-9]+)`).ReplaceAllString(r.Out+r.Err, "")
		return strings.ReplaceAll(text, z.base, "BASE")
	}
	if full, empty := tell(true, stranger), tell(false, stranger); full != empty {
		t.Errorf("of a full directory a stranger is told\n%s\nof an empty one\n%s", full, empty)
	}
	if full, empty := tell(true, root), tell(false, root); full == empty || !strings.Contains(full, "alicesown") || !strings.Contains(full, "alicesdead") {
		t.Errorf("control run: root is told\n%s", full)
	}
}

// The attacker has an account, and measures what it costs to ask muxward about directories
// that she may not look into: one of alice's that is full, and one that is empty. Asked in
// pairs, neither is the dearer one each time. It is processor time that is compared, which
// she sees of what she runs, as waiting depends on who else does what. In the control run
// root asks, and the full one is the dearer one nearly each time.
func TestSK11WhatItCosts(t *testing.T) {
	full, empty := newCage(t), newCage(t)
	dir := full.dir(owner, 0o700)
	for i := range 2000 {
		full.socket(fmt.Sprint(dir, "/", i), owner, 0o600)
	}
	_ = empty.dir(owner, 0o700)
	const pairs = 21 // by chance one is always the dearer one in one of a million runs
	dearer := func(who string) (n int) {
		for i := range pairs {
			var costs [2]time.Duration
			for j := range 2 {
				one := (i + j) % 2 // neither is always the first
				costs[one] = []*cage{full, empty}[one].cost(who)
			}
			if costs[0] > costs[1] {
				n++
			}
		}
		return n
	}
	hers, roots := dearer(stranger), dearer(root)
	t.Logf("of %d pairs the full one was the dearer one in %d for a stranger, in %d for root", pairs, hers, roots)
	if hers == 0 || hers == pairs {
		t.Errorf("a stranger can tell what is full: it was the dearer one in %d of %d pairs", hers, pairs)
	}
	if roots < pairs-3 {
		t.Errorf("control run: for root it was the dearer one in %d of %d pairs: this is no test", roots, pairs)
	}
}

// cost is the processor time of a scan of the cage.
func (z *cage) cost(who string) time.Duration {
	z.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), host.Patience)
	defer cancel()
	cmd := z.account(who).Command(host.Build(z.t, ""), "sockets", "scan", "--json", "--only", z.base)
	cmd.Dir = "/"
	z.must(cmd.Start())
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		z.t.Fatal(err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// The attacker finds a muxward that somebody has installed setuid, or with
// capabilities, to have it look with root's eyes, or act with root's hands: what it
// starts by itself is asked directly. It refuses. In the control run the same program
// without that looks, and is refused by the kernel.
func TestSK11Setuid(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o755)
	bin := z.installed()
	mallory, alice := tmuxtest.As(t, stranger), tmuxtest.As(t, owner)
	was := z.listing(z.base)
	at := statOf(dir)
	closing := fmt.Sprintf(`{"do":2,"uid":%d,"path":%q,"file":{"kind":"directory","uid":%d,"mode":"0755","dev":%d,"ino":%d,"changed":"2026-01-01T00:00:00Z"}}`+"\n",
		alice.UID, dir, alice.UID, at[0], at[1])
	try := func() (look, act string) {
		cmd := mallory.Command(bin, "sockets", "scan", "--only", z.base)
		out, err := tmuxtest.Output(cmd)
		look = fmt.Sprint(out, err)
		cmd = mallory.Command(bin, "sockets", "errand")
		cmd.Stdin = strings.NewReader(closing)
		out, err = tmuxtest.Output(cmd)
		return look, fmt.Sprint(out, err)
	}
	if look, act := try(); strings.Contains(look, "setuid") || !strings.Contains(act, "only that account and root") {
		t.Errorf("control run: without a bit it says %q and %q", look, act)
	}
	for name, set := range map[string]func(){
		"setuid":       func() { z.must(unix.Chmod(bin, 0o4755)) },
		"setgid":       func() { z.must(unix.Chmod(bin, 0o2755)) },
		"capabilities": func() { z.capable(bin) },
	} {
		z.must(unix.Chmod(bin, 0o755))
		set()
		if look, act := try(); !strings.Contains(look, "installed setuid") || strings.Contains(look, "findings") || !strings.Contains(act, "installed setuid") {
			t.Errorf("%s: it says %q and %q", name, look, act)
		}
	}
	if now := z.listing(z.base); !maps.Equal(now, was) {
		t.Errorf("something of alice's has changed: %v, was %v", now, was)
	}
	// What was asked directly is what root's own fix asks, and would have been done.
	cmd := tmuxtest.Account{}.Command(bin, "sockets", "errand")
	z.must(os.Chmod(bin, 0o755))
	cmd.Stdin = strings.NewReader(closing)
	if out, err := tmuxtest.Output(cmd); err != nil || z.listing(z.base)[dir] == was[dir] {
		t.Errorf("control run: root asks for it and it is not done: this is no test: %v %s", err, out)
	}
}

// installed is a copy of muxward that everybody may run.
func (z *cage) installed() string {
	z.t.Helper()
	return z.copied(host.Build(z.t, ""))
}

// copied is a copy of a program that everybody may run, where setuid counts.
func (z *cage) copied(program string) string {
	z.t.Helper()
	bin := filepath.Join(z.t.TempDir(), filepath.Base(program))
	z.must(os.Chmod(filepath.Dir(bin), 0o755))
	z.must(os.Chmod(filepath.Dir(filepath.Dir(bin)), 0o755))
	data, err := os.ReadFile(program)
	z.must(err)
	z.must(tmuxtest.WriteProgram(bin, data, 0o755))
	var st unix.Statfs_t
	z.must(unix.Statfs(bin, &st))
	if st.Flags&unix.ST_NOSUID != 0 {
		tmuxtest.Skip(z.t, "needs a file system with setuid")
	}
	return bin
}

// capable gives whoever runs a program the right to look into all directories, and to
// take on any account.
func (z *cage) capable(bin string) {
	z.t.Helper()
	le := binary.LittleEndian
	const revision2, effective = 0x02000000, 1
	rights := uint32(1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID)
	data := le.AppendUint32(le.AppendUint32(nil, revision2|effective), rights)
	z.must(unix.Setxattr(bin, "security.capability", append(data, make([]byte, 12)...), 0))
}

// The attacker cannot connect to a socket of alice's, and has root do it: by TMUX
// in the environment of a process, and by a tmux-UID directory with her socket
// linked into it. Whatever starts when somebody connects is not started. Where the
// kernel says who listens, not even alice can have root connect. In the control run
// a process of alice's own names a socket of which the kernel says nothing, as it is
// of another network, and root looks. A program that has root's rights by its setuid
// bit does not speak for root: its environment is that of whoever started it.
func TestSK11KnocksForOthers(t *testing.T) {
	z := newCage(t)
	z.must(os.Mkdir(z.base+"/private", 0o755))
	hers := z.dir(stranger, 0o700)
	listens := func(name, who string) (path string, knocked func() bool) {
		path = z.base + "/private/" + name
		fd := z.bind(path, who, 0o600)
		t.Cleanup(func() { _ = unix.Close(fd) })
		z.must(unix.Listen(fd, 8))
		z.must(unix.SetNonblock(fd, true))
		z.must(os.Link(path, hers+"/"+name))
		return path, func() bool {
			conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err == nil {
				_ = unix.Close(conn)
			}
			return err == nil
		}
	}
	cat, err := exec.LookPath("cat")
	z.must(err)
	setuid := z.copied(cat)
	z.must(unix.Chmod(setuid, 0o4755))
	names := func(who, program, path string) (end func()) {
		cmd := z.account(who).Command(program)
		cmd.Env = append(cmd.Env, "TMUX="+path+",1,0")
		in, err := cmd.StdinPipe()
		z.must(err)
		z.must(cmd.Start())
		return func() {
			_ = in.Close() // cat ends
			_ = cmd.Wait()
		}
	}
	listed, knockedListed := listens("listed", owner)
	var apart, roots string
	var knockedApart, knockedRoots func() bool
	z.otherNetwork(func() {
		apart, knockedApart = listens("apart", owner)
		roots, knockedRoots = listens("roots", root)
	})
	defer names(stranger, cat, listed)()
	defer names(stranger, cat, apart)()
	defer names(stranger, setuid, roots)()
	if l := z.scan(root); knockedListed() || knockedApart() || knockedRoots() {
		t.Errorf("root has knocked for a stranger: %+v", l.Scan.Sockets)
	}
	defer names(owner, cat, listed)()
	defer names(owner, cat, apart)()
	defer names(root, cat, roots)()
	if z.scan(root); knockedListed() {
		t.Error("root knocks where the kernel says who listens")
	}
	if !knockedApart() || !knockedRoots() {
		t.Error("control run: root does not knock at what alice, or root, names: this is no test")
	}
}

// otherNetwork does something on a thread that is in a network namespace of its own.
func (z *cage) otherNetwork(do func()) {
	z.t.Helper()
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		err := unix.Unshare(unix.CLONE_NEWNET)
		defer func() { ended <- err }()
		if err == nil {
			do()
		}
	}()
	z.must(<-ended)
}
