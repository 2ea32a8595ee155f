package gateway

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// callerMark makes the test binary play somebody who connects: its first argument.
const callerMark = "gateway-test-caller:"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], callerMark) {
		conn, err := net.Dial("unix", strings.TrimPrefix(os.Args[1], callerMark))
		if err != nil {
			os.Exit(1)
		}
		_, _ = io.Copy(io.Discard, conn) // until the test has looked
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// called is a directory in which everybody has one name.
type called string

func (c called) PersonOf(uint32, string) (string, error) { return string(c), nil }

// From where somebody comes.
const (
	atTerminal = iota
	inPane
	withoutTerminal
)

// comes has somebody prove themselves by a process that has a terminal of its own, which
// may be that of a pane, or none.
func comes(t *testing.T, name string, from int) identity.Identity {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command("/proc/self/exe", callerMark+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var panes []identity.PaneProc
	if from != withoutTerminal {
		tty := terminal(t)
		cmd.ExtraFiles = []*os.File{tty}
		cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, 3
		if from == inPane {
			panes = append(panes, identity.PaneProc{Owner: "alice", Pane: "%3", TTY: tty.Name()},
				identity.PaneProc{Owner: "alice", PID: os.Getpid()}) // the server, from which it descends
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // it ends with the connection
	if err := l.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.AcceptUnix()
	if err != nil {
		_ = cmd.Process.Kill()
		t.Fatal(err)
	}
	defer conn.Close()
	prover := identity.NewProver(called(name), identity.WithPanes(func(context.Context) ([]identity.PaneProc, error) { return panes, nil }))
	who, peer, err := prover.FromPeer(t.Context(), conn, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	return who
}

// terminal opens a terminal that is closed when the test ends.
func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty
}
