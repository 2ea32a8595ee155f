package ctld

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// asChild is the environment variable that makes this program a client: it
// connects to the door that the variable names on the socket it was started
// with, and lives until its standard input ends.
const asChild = "MUXWARD_TEST_CONNECT"

func TestMain(m *testing.M) {
	if path := os.Getenv(asChild); path != "" {
		if unix.Connect(3, &unix.SockaddrUnix{Name: path}) != nil {
			os.Exit(1)
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// told is a prover that says when it holds the process that connected, and goes on when the
// test wants it.
type told struct {
	*identity.Prover
	held, goOn chan struct{}
}

func (p told) Hold(conn *net.UnixConn) (*identity.Peer, error) {
	peer, err := p.Prover.Hold(conn)
	p.held <- struct{}{}
	<-p.goOn
	return peer, err
}

// TestPassedOn: mallory got the connection of a process of alice's that was
// proved and has exited since, and asks for something in her name. Nobody
// hears it. While that process lives it is alice who asks.
func TestPassedOn(t *testing.T) {
	for _, lives := range []bool{true, false} {
		dir, err := os.MkdirTemp("", "mwc")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		path := filepath.Join(dir, "ctl")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan Call, 1)
		p := told{identity.NewProver(everybody{}), make(chan struct{}, 1), make(chan struct{}, 1)}
		s := &Server{
			Prover: p, Complain: func(what string) { t.Log(what) },
			Acts: func(_ identity.Identity, c Call) (*gateway.Act, error) {
				heard <- c
				return nil, errors.New("enough for a test")
			},
		}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, listener{l}) }()

		held, end := connectByChild(t, path)
		<-p.held
		if !lives {
			end()
		}
		p.goOn <- struct{}{}
		if _, err := io.WriteString(held, `{"act":"revoke","person":"bob"}`); err != nil && lives {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(held) // until the door closes it
		select {
		case c := <-heard:
			if !lives {
				t.Errorf("the door did %+v for whoever holds the connection now: %s", c, answer)
			}
		default:
			if lives {
				t.Errorf("alice was not heard: %s", answer)
			}
		}
		end()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.Wait()
	}
}

// hurried notes whether there is an end to what a proof waits for.
type hurried struct {
	*identity.Prover
	ends chan bool
}

func (p hurried) Prove(ctx context.Context, peer *identity.Peer, door string, freezing bool) (identity.Identity, error) {
	_, ends := ctx.Deadline()
	p.ends <- ends
	return p.Prover.Prove(ctx, peer, door, freezing)
}

// TestLockdownHasOneEnd: whatever a lockdown waits for, from its proof on, goes by one end.
func TestLockdownHasOneEnd(t *testing.T) {
	p := hurried{identity.NewProver(everybody{}), make(chan bool, 1)}
	d := newDoorOf(t, &Server{Prover: p, Acts: func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("enough for a test") }})
	for act, want := range map[string]bool{lockdown: true, "revoke": false} {
		if err := (Call{Act: act}).Do(soon(t), d.path, nil); err == nil {
			t.Error("it is done")
		}
		if got := <-p.ends; got != want {
			t.Errorf("%s: it has an end: %v", act, got)
		}
	}
}

// connectByChild gives a connection that another process made, and the end of
// that process.
func connectByChild(t *testing.T, path string) (*os.File, func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	held := os.NewFile(uintptr(fd), "held")
	t.Cleanup(func() { _ = held.Close() })
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{asChild + "=" + path}
	cmd.ExtraFiles = []*os.File{held}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return held, func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}
