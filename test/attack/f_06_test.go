package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward's connections to a tmux server are cut again and again while somebody
// types. They are made anew, each key is typed once or not at all, and in
// order, and pictures come. Control connections and displays are no processes
// of their own that could be killed: their sockets are shut down.
func TestF06ConnectionsCut(t *testing.T) {
	b := lay(t, host.Config{})
	cuts := 0
	for i := range soak.N(1000, 12) {
		cuts += cut(t, b)
		b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", fmt.Sprintf("<%d>", i)) // it may be refused
	}
	tmuxtest.Eventually(t, func() bool {
		return b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", "<99999>").Code == 0
	}, "typing goes on")
	b.arrived("<99999>")
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	if cuts == 0 {
		t.Error("control run: no connection was cut, this is no test")
	}
	last, n := -1, 0
	for word := range strings.SplitSeq(strings.Trim(string(b.rec.Bytes()), "<>"), "><") {
		var i int
		if _, err := fmt.Sscan(word, &i); err != nil || i <= last {
			t.Fatalf("typed twice or out of order: %q", b.rec.Bytes())
		}
		last, n = i, n+1
	}
	t.Logf("%d connections cut, %d words typed", cuts, n)
	b.VerifyAudit()
}

// cut shuts down all sockets that connect muxward to the owner's server, and
// counts them.
func cut(t *testing.T, b *bed) (n int) {
	t.Helper()
	pidfd, err := unix.PidfdOpen(b.PID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		num, _ := strconv.Atoi(e.Name())
		fd, err := unix.PidfdGetfd(pidfd, num, 0)
		if err != nil {
			continue // it was closed meanwhile
		}
		peer, err := unix.Getpeername(fd)
		if a, ok := peer.(*unix.SockaddrUnix); err == nil && ok && strings.HasSuffix(b.server.Socket, filepath.Base(a.Name)) &&
			a.Name != "" && unix.Shutdown(fd, unix.SHUT_RDWR) == nil {
			n++
		}
		_ = unix.Close(fd)
	}
	return n
}
