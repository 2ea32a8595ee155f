package attack

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

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
		text := regexp.MustCompile(`"(time|changed|ino|dev)": .*`).ReplaceAllString(r.Out+r.Err, "")
		return strings.ReplaceAll(text, z.base, "BASE")
	}
	if full, empty := tell(true, stranger), tell(false, stranger); full != empty {
		t.Errorf("of a full directory a stranger is told\n%s\nof an empty one\n%s", full, empty)
	}
	if full, empty := tell(true, root), tell(false, root); full == empty || !strings.Contains(full, "alicesown") || !strings.Contains(full, "alicesdead") {
		t.Errorf("control run: root is told\n%s", full)
	}
}

// The attacker finds a muxward that somebody has installed setuid, to have it look
// with root's eyes. It refuses. In the control run the same program without that
// bit looks.
func TestSK11Setuid(t *testing.T) {
	z := newCage(t)
	bin := filepath.Join(t.TempDir(), "muxward")
	z.must(os.Chmod(filepath.Dir(bin), 0o755))
	z.must(os.Chmod(filepath.Dir(filepath.Dir(bin)), 0o755))
	from, err := os.Open(host.Build(t, ""))
	z.must(err)
	defer from.Close()
	to, err := os.OpenFile(bin, os.O_CREATE|os.O_WRONLY, 0o755)
	z.must(err)
	_, err = io.Copy(to, from)
	z.must(err)
	z.must(to.Close())
	var st unix.Statfs_t
	z.must(unix.Statfs(bin, &st))
	if st.Flags&unix.ST_NOSUID != 0 {
		tmuxtest.Skip(t, "needs a file system with setuid")
	}
	mallory := tmuxtest.As(t, stranger)
	args := []string{"sockets", "scan", "--only", z.base}
	if out, err := tmuxtest.Output(mallory.Command(bin, args...)); err != nil {
		t.Errorf("control run: without the bit it does not look: %v\n%s", err, out)
	}
	z.must(unix.Chmod(bin, 0o4755))
	out, err := tmuxtest.Output(mallory.Command(bin, args...))
	if err == nil || !strings.Contains(err.Error(), "setuid") || out != "" {
		t.Errorf("with the bit: %v\n%s", err, out)
	}
}

// The attacker cannot connect to a socket of alice's, and has root do it: by TMUX
// in the environment of a process, and by a tmux-UID directory with her socket
// linked into it. Whatever starts when somebody connects is not started. Where the
// kernel says who listens, not even alice can have root connect. In the control run
// a process of alice's own names a socket of which the kernel says nothing, as it is
// of another network, and root looks.
func TestSK11KnocksForOthers(t *testing.T) {
	z := newCage(t)
	z.must(os.Mkdir(z.base+"/private", 0o755))
	hers := z.dir(stranger, 0o700)
	listens := func(name string) (path string, knocked func() bool) {
		path = z.base + "/private/" + name
		fd := z.bind(path, owner, 0o600)
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
	names := func(who, path string) (end func()) {
		cmd := tmuxtest.As(t, who).Command("cat")
		cmd.Env = append(cmd.Env, "TMUX="+path+",1,0")
		in, err := cmd.StdinPipe()
		z.must(err)
		z.must(cmd.Start())
		return func() {
			_ = in.Close() // cat ends
			_ = cmd.Wait()
		}
	}
	listed, knockedListed := listens("listed")
	var apart string
	var knockedApart func() bool
	z.otherNetwork(func() { apart, knockedApart = listens("apart") })
	defer names(stranger, listed)()
	defer names(stranger, apart)()
	if l := z.scan(root); knockedListed() || knockedApart() {
		t.Errorf("root has knocked for a stranger: %+v", l.Scan.Sockets)
	}
	defer names(owner, listed)()
	defer names(owner, apart)()
	if z.scan(root); knockedListed() {
		t.Error("root knocks where the kernel says who listens")
	}
	if !knockedApart() {
		t.Error("control run: root does not knock at what alice names: this is no test")
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
