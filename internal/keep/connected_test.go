package keep

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A report of who is connected names others and not us, and takes none of the server's
// descriptors, not even for a moment: closing one can take as long as an account likes. Our
// lock is on a file that the server has open, and would be gone with any descriptor of it
// that we close (fcntl(2), record locks).
func TestConnected(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := w.k.Connect(t.Context(), h.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	log, err := os.OpenFile(w.opt.Run+"/servers/"+h.ID+".log", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := unix.FcntlFlock(log.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return s.connected() == "nobody is connected now" }, "nobody, when ours was accepted")
	cmd := exec.Command(w.opt.Tmux, "-S", w.socket(h), "new-session", "-d", ";", "wait-for", "never")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + w.acct.Home, "LANG=C.UTF-8"}
	cmd.Dir = "/"
	if asRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: w.acct.UID, Gid: w.acct.GID}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) }()
	want := fmt.Sprintf("connected now: uid %d (process %d ", w.acct.UID, cmd.Process.Pid)
	tmuxtest.Eventually(t, func() bool { got := s.connected(); return strings.HasPrefix(got, want) && !strings.Contains(got, ",") }, "%s…", want)
	there := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(log.Fd(), unix.F_OFD_GETLK, &there); err != nil || there.Type != unix.F_WRLCK {
		t.Errorf("a descriptor of the server was taken and closed: %+v, %v", there, err)
	}
}

// Who connects from another network namespace is in none of our lists, and is counted: the
// report does not say that there is nobody.
func TestConnectedFromElsewhere(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(w.opt.Tmux, "-S", w.socket(h), "new-session", "-d", ";", "wait-for", "never")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + w.acct.Home, "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if !asRoot() {
		id := []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = id
	}
	if err := cmd.Start(); err != nil {
		tmuxtest.Skip(t, "needs network namespaces: %v", err)
	}
	defer func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) }()
	const want = "connected now: 1 from other network namespaces, of which nobody can be named"
	tmuxtest.Eventually(t, func() bool { return s.connected() == want }, "%s", want)
}

// A server that accepts nobody has those waiting that could connect.
func TestConnectedAndNotAccepted(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return s.connected() == "nobody is connected now" }, "nobody")
	if err := s.proc.signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { _, state, err := startOf(h.PID); return err == nil && state == 'T' }, "it is stopped")
	c, err := connectAs(w.socket(h), w.acct.UID)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := s.connected(), "connected now: 1 that the server has not accepted yet, which can be ours"; got != want {
		t.Error(got)
	}
}

// What is remembered of our own connections is bounded.
func TestOurConnectionsAreBounded(t *testing.T) {
	var i inodes
	pair := func() (a, b *os.File) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fds[0]), ""), os.NewFile(uintptr(fds[1]), "")
	}
	kept, peer := pair()
	defer kept.Close()
	defer peer.Close()
	st, err := statFile(kept)
	if err = errors.Join(err, i.add(kept)); err != nil {
		t.Fatal(err)
	}
	for range 3 * fewInodes {
		a, b := pair()
		if err := errors.Join(i.add(a), a.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(i.known); n > fewInodes {
		t.Errorf("%d are known", n)
	}
	if !i.has(uint32(st.Ino)) {
		t.Error("one that is there was forgotten")
	}
}

// A link in a door's place is not followed, as its account could lead us where it cannot
// go itself.
func TestListenerFollowsNoLink(t *testing.T) {
	w := newWorld(t)
	_, d := w.opened("alice")
	l, err := listenAt(w.opt.Run + "/sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.Chmod(filepath.Dir(d.Path), 0o700), os.Remove(d.Path), os.Symlink(w.opt.Run+"/sock", d.Path)); err != nil {
		t.Fatal(err)
	}
	ev := w.came(EventReplaced, "")
	defer ev.Listen.Close()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(l.Fd()), Events: unix.POLLIN}}, 0); n != 0 || err != nil {
		t.Errorf("we connected there: %d, %v", n, err)
	}
	c, err := connectAs(w.opt.Run+"/sock", uint32(os.Geteuid())) // the control run
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(l.Fd()), Events: unix.POLLIN}}, 10_000); n != 1 || err != nil {
		t.Errorf("the control run: %d, %v", n, err)
	}
}

// Whatever comes from there, and from nowhere else, is read without a panic.
func FuzzParseConnections(f *testing.F) {
	f.Add([]byte("\x30\x00\x00\x00\x14\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x01\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x05\x00\x00\x00a\x00\x00\x00\x08\x00\x02\x00\x09\x00\x00\x00"))
	f.Add([]byte("\x14\x00\x00\x00\x03\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, done, err := parseConnections(nil, data)
		if (done || len(all) > 0) && err != nil || len(all) > len(data)/(sizeNetlink+sizeTold) {
			t.Errorf("%v %t %v", all, done, err)
		}
	})
}

// The kernel's list has a connection of our own, and who is at its other end.
func TestConnections(t *testing.T) {
	w := newWorld(t)
	d, err := w.k.OpenDoor(t.Context(), Place{Account: w.named()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Listen.Close()
	c, err := connectAs(d.Path, uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	st, err := statFile(c)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(d.Listen.Fd()), Events: unix.POLLIN}}, 10_000); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	fd, _, err := unix.Accept4(int(d.Listen.Fd()), unix.SOCK_CLOEXEC) // one that waits for that is not listed
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	all, err := connections(time.Now().Add(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if o.peer == uint32(st.Ino) && strings.HasSuffix(strings.TrimRight(o.name, "\x00"), "/default") {
			return
		}
	}
	t.Errorf("%d connections, and not ours", len(all))
}
