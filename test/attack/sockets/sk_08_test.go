package sockets

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// silent mounts a file system at path that never answers: FUSE with nobody at
// the other end. The function that it returns lets go of all who wait.
func (z *cage) silent(path string) (release func()) {
	z.t.Helper()
	_, release = z.fuse(path)
	z.t.Cleanup(release)
	return release
}

// fuse mounts a file system whose questions come from fd.
func (z *cage) fuse(path string) (fd int, release func()) {
	z.t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		tmuxtest.Skip(z.t, "needs FUSE: %v", err)
	}
	z.must(unix.Mount("silent", path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)))
	return fd, func() {
		_ = unix.Unmount(path, unix.MNT_DETACH|unix.MNT_FORCE) // aborts the connection, and those who wait with it
		_ = unix.Close(fd)
	}
}

// The attacker has directories in the way that do not answer, cannot be read, or
// cannot be written, so that nobody sees what is beside them. What hangs is left
// out after two seconds, with its name and the reason, and everything else is
// found. In the control run a plain look at the directory hangs.
func TestSK08DirectoriesThatHang(t *testing.T) {
	host.Build(t, "") // which takes its time
	hang := func(t *testing.T) (z *cage, dead, hanging, deaf string) {
		z = newCage(t)
		dead = z.socket(z.dir(owner, 0o700)+"/dead", owner, 0o600)
		hanging, deaf = z.dir(viewer, 0o700), z.dir(typist, 0o700)
		z.silent(hanging)
		z.unanswering(deaf) // who waits here cannot be killed, and muxward ends all the same
		z.must(os.Mkdir(z.base+"/base", 0o755))
		z.silent(z.base + "/base")
		return z, dead, hanging, deaf
	}
	t.Run("scan", func(t *testing.T) {
		t.Parallel()
		z, dead, hanging, deaf := hang(t)
		looking := make(chan struct{})
		go func() { // the control run
			_, _ = os.ReadDir(hanging)
			close(looking)
		}()
		began := time.Now()
		l := z.scan(root, "--dir", z.base+"/base")
		host.InTime(t, began, 4*time.Second, "the scan ends")
		if l.found(dead) != "S001" || l.Complete {
			t.Errorf("beside what hangs it sees %+v, complete %v", l.Findings, l.Complete)
		}
		why := map[string]string{}
		for _, k := range l.Scan.Skipped {
			why[string(k.Path)] = k.Reason
		}
		if !strings.Contains(why[hanging], "no answer") || !strings.Contains(why[deaf], "no answer") || !strings.Contains(why[z.base+"/base"], "no answer") {
			t.Errorf("it says %v", why)
		}
		select {
		case <-looking:
			t.Error("a plain look does not hang: this is no test")
		default:
		}
	})
	t.Run("fix", func(t *testing.T) {
		t.Parallel()
		z, dead, hanging, _ := hang(t)
		if r := z.fix(root); r.Code != 3 || statOf(dead) != [3]uint64{} || !strings.Contains(r.Err, "not looked at: "+hanging) {
			t.Errorf("fix beside what hangs: %+v", r)
		}
	})
}

// The attacker fills the disk, makes directories immutable, read-only or
// unreadable. fix says that it could not, and loses nothing: a dead socket is
// where it was or in the quarantine, and nothing is done that cannot be written
// down. In the control run, with the obstacle taken away, it is moved.
func TestSK08DirectoriesThatRefuse(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(z *cage, dir string) (undo func())
	}{
		{"immutable", func(z *cage, dir string) func() {
			z.immutable(dir, true)
			return func() { z.immutable(dir, false) }
		}},
		{"mode 0000", func(z *cage, dir string) func() {
			z.must(os.Chmod(dir, 0))
			return func() { z.must(os.Chmod(dir, 0o700)) }
		}},
		{"read-only", func(z *cage, dir string) func() {
			z.must(unix.Mount(dir, dir, "", unix.MS_BIND, ""))
			z.must(unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
			return func() { z.must(unix.Unmount(dir, 0)) }
		}},
		{"a full disk for the journal", func(z *cage, _ string) func() {
			z.must(os.Mkdir(z.state(root), 0o700))
			z.must(unix.Mount("tmpfs", z.state(root), "tmpfs", 0, "size=4k,nr_inodes=3"))
			z.must(os.WriteFile(z.state(root)+"/full", make([]byte, 4096), 0o600))
			return func() { z.must(unix.Unmount(z.state(root), 0)) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := newCage(t)
			dir := z.dir(owner, 0o700)
			dead := z.socket(dir+"/dead", owner, 0o600)
			undo := c.set(z, dir)
			was := statOf(dead)
			r := z.fix(root)
			if statOf(dead) != was || strings.Contains(r.Out, ": mended") {
				t.Errorf("fix: %+v", r)
			}
			undo()
			if r := z.fix(root); r.Code != 0 || statOf(dead) == was {
				t.Errorf("control run: with nothing in the way it is not moved: %+v", r)
			}
		})
	}
}

func (z *cage) immutable(path string, on bool) {
	z.t.Helper()
	const immutable = 0x10
	f, err := os.Open(path)
	z.must(err)
	defer f.Close()
	flags := 0
	if on {
		flags = immutable
	}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags); err != nil {
		tmuxtest.Skip(z.t, "needs a file system with immutable directories: %v", err)
	}
}
