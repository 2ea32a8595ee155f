package wire

import (
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPair returns two connected sockets, closed at the end of the test.
func socketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := [2]*net.UnixConn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		nc, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		conns[i] = nc.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// serverPair is a server's Conn and the raw other end of it.
func serverPair(t testing.TB) (*Conn, *net.UnixConn) {
	a, b := socketPair(t)
	c := NewServer(a)
	t.Cleanup(func() { _ = c.Close() })
	return c, b
}

// openFDs returns what is behind every descriptor of this process.
func openFDs(t testing.TB) map[string]string {
	t.Helper()
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	self := strconv.Itoa(int(dir.Fd()))
	names, err := dir.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	fds := map[string]string{}
	for _, n := range names {
		if n != self {
			fds[n], _ = os.Readlink("/proc/self/fd/" + n)
		}
	}
	return fds
}

// noLeak runs f and fails unless as many descriptors are open after it.
func noLeak(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	before := openFDs(t)
	t.Run("run", f)
	var after map[string]string
	ok := eventually(func() bool {
		after = openFDs(t)
		return len(after) <= len(before)
	})
	if !ok {
		t.Errorf("%d descriptors are open, %d were:\n%v\n%v", len(after), len(before), after, before)
	}
}

// eventually polls until ok or half a minute is over.
func eventually(ok func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
	return true
}

// mustAppend encodes messages for the wire.
func mustAppend(t testing.TB, f Framing, ms ...Message) []byte {
	t.Helper()
	var b []byte
	for _, m := range ms {
		var err error
		if b, err = AppendMessage(b, f, m); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// reason returns the reason of a ProtocolError, 0 for any other error.
func reason(err error) Reason {
	var p *ProtocolError
	if errors.As(err, &p) {
		return p.Reason
	}
	return 0
}

// devNull is a descriptor to send.
func devNull(t testing.TB) *FD {
	t.Helper()
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFD(fd)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// hello is what an ordinary client says, without descriptors.
func hello(argv ...string) *Hello {
	return &Hello{
		Flags: FlagUTF8, Term: "xterm", TTYName: "/dev/pts/7", Cwd: "/srv", PID: 4711,
		Env: []string{"HOME=/srv", "LANG=C.UTF-8"}, Terminfo: []string{"clear=\x1b[H\x1b[J"}, Argv: argv,
	}
}

// greeting returns the messages of h in the order tmux's client has.
func greeting(h *Hello) []Message {
	lead, body, last := h.introduction()
	ms := append([]Message{}, last[:2]...)
	ms = append(ms, body...)
	ms = append(ms, lead...)
	return append(ms, last[2:]...)
}
