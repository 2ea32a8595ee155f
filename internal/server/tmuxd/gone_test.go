package tmuxd

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/identity"
)

// connects has the test binary be a client that connects and says nothing.
const connects = "-mw-connects"

// everybody is one person.
type everybody struct{}

func (everybody) PersonOf(uint32, string) (string, error) { return "alice", nil }

// The process that connected has ended: whoever has its connection now is not who was proved, and what
// runs for it ends though nobody reads there.
func TestWhoHasGoneIsNotServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", connects, path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	nc, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s := &Server{Prover: identity.NewProver(everybody{}), Complain: func(what string) { t.Log(what) }}
	ctx, v, err := s.enter(t.Context(), nc, uint32(os.Getuid()), place{})
	if err != nil {
		t.Fatal(err)
	}
	p := s.prove(ctx, v)
	defer p.close()
	if p.who.Person() != "alice" || ctx.Err() != nil {
		t.Fatalf("it is %v; %v", whose(p.who), ctx.Err())
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it is served still")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, identity.ErrPeerGone) {
		t.Errorf("it ended with %v", cause)
	}
}
