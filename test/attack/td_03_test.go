package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// A client passes descriptors that are no terminal of its own: devices, pipes
// that nobody reads, directories, sockets; many at once, and with messages that
// carry none. It hopes that muxward reads them, writes to them, waits for them
// or keeps them; or that it is taken to sit at somebody else's terminal. Only
// the terminal that the client names, passed as such, is a terminal; the rest
// is closed.
func TestTD03StrangeDescriptors(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: root, role: viewer, on: mwalice/shared, reason: looks}\n"
	row{grants: sees, teeth: "teeth_door", unlogged: true, gains: 3, attack: func(w *world) {
		for _, n := range []int{1, 2, 16, 253} {
			for _, kind := range []uint32{100, 101, 105, 111, 200, 208, 301, 302} {
				w.pass(kind, n)
			}
		}
		w.hoard()
		for name, fd := range zoo(w.t) {
			h := &wire.Hello{
				Term: "xterm-256color", TTYName: "/dev/pts/0", Cwd: "/", PID: int32(os.Getpid()),
				Argv: []string{"attach-session", "-t", "mwalice/shared"}, Stdin: wire.NewFD(fd), Flags: wire.FlagUTF8,
			}
			if attached, text := w.ask(h); attached || !strings.Contains(text, "open terminal failed: ") {
				w.gain("%s was taken for a terminal: %v %q", name, attached, text)
			}
			_ = h.Close()
		}
		// A terminal it is, but not the one they say.
		mine, other := pts(w.t), pts(w.t)
		h := &wire.Hello{
			Term: "xterm-256color", TTYName: other.Name(), Cwd: "/", PID: int32(os.Getpid()), Flags: wire.FlagUTF8,
			Argv: []string{"attach-session", "-t", "mwalice/shared"}, Stdin: wire.NewFD(dup(w.t, mine)),
		}
		defer h.Close()
		if attached, _ := w.ask(h); attached {
			w.gain("somebody sits at a terminal that is not theirs")
		}
	}}.run(t)
}

// pass sends n descriptors with one message.
func (w *world) pass(kind uint32, n int) {
	w.t.Helper()
	c := w.knock()
	defer c.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		w.t.Fatal(err)
	}
	defer null.Close()
	fds := make([]int, n)
	for i := range fds {
		fds[i] = int(null.Fd())
	}
	_, _, _ = c.WriteMsgUnix(frame(false, kind, 16, 1, nil), unix.UnixRights(fds...), nil)
	_ = c.CloseWrite()
	if !closed(c, tmuxtest.Patience) {
		w.gain("a connection was kept after %d descriptors with message %d", n, kind)
	}
}

// hoard sends descriptors with messages that carry none, over and over on one
// connection, and looks how many of them the daemon has open.
func (w *world) hoard() {
	w.t.Helper()
	if !w.control {
		tmuxtest.Eventually(w.t, func() bool { return w.measure().fds <= w.base.fds+slackFDs }, "what others have passed is closed")
	}
	c := w.knock()
	defer c.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		w.t.Fatal(err)
	}
	defer null.Close()
	four := unix.UnixRights(int(null.Fd()), int(null.Fd()), int(null.Fd()), int(null.Fd()))
	data := []byte("A=b\x00")
	for range 25 {
		_, _, err = c.WriteMsgUnix(frame(false, 105, 16+len(data), 0, data), four, nil)
		if err != nil {
			break // the door has had enough
		}
	}
	more := 0
	within(500*time.Millisecond, func() bool {
		more = max(more, w.measure().fds-w.base.fds)
		return more > 50
	})
	if more > 20 { // this connection's own, and those of what else goes on
		w.gain("the daemon keeps %d descriptors more", more)
	}
}

func dup(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// pts is a new terminal, as its program sees it.
func pts(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return slave
}

// zoo is one descriptor of each kind that is no terminal.
func zoo(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	add := func(name string, fd int, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = fd
	}
	open := func(name, path string, flags int) {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		add(name, fd, err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open("a fifo", fifo, unix.O_RDWR)
	open("/dev/zero", "/dev/zero", unix.O_RDWR)
	open("/dev/full", "/dev/full", unix.O_RDWR)
	open("a directory", "/", unix.O_RDONLY)
	open("a path", "/dev/pts/ptmx", unix.O_PATH)
	open("ptmx", "/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY)
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	add("an epoll", fd, err)
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	add("a socket", fd, err)
	fd, err = unix.MemfdCreate("x", unix.MFD_CLOEXEC)
	add("memory", fd, err)
	return all
}
