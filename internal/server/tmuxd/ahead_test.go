package tmuxd

import (
	"context"
	"net"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// aheads counts who is asked ahead.
type aheads struct {
	gateway.Server
	asked *[]string
	owner string
}

func (a aheads) Owners() []string    { return nil }
func (a aheads) IsOwner(string) bool { return true }

func (a aheads) Ask(tmux.Detail) func(context.Context) (*tmux.Snapshot, error) {
	*a.asked = append(*a.asked, a.owner)
	return func(context.Context) (*tmux.Snapshot, error) { return nil, nil }
}

type allServers struct{ aheads }

func (a allServers) Server(owner string) gateway.Server {
	a.owner = owner
	return a.aheads
}

// nobodyProver proves that it is nobody.
type nobodyProver struct{}

func (nobodyProver) FromPeer(context.Context, *net.UnixConn, string) (identity.Identity, *identity.Peer, error) {
	return identity.Identity{}, &identity.Peer{}, nil
}

// On account of who is nobody, or of whom nothing is known, no server is asked anything: not at its door either.
func TestNobodyIsNotAskedFor(t *testing.T) {
	for name, prover := range map[string]Prover{"unproved": unproved{}, "nobody": nobodyProver{}} {
		var asked []string
		s := &Server{Prover: prover, Complain: func(string) {},
			Gateway: &gateway.Gateway{Parts: gateway.Parts{Servers: allServers{aheads{asked: &asked}}}}}
		hers := place{owner: "alice", path: "hers"}
		look := func(want ...string) {
			t.Helper()
			asked = nil
			s.lookAhead(1000, hers)
			s.lookAhead(1000, place{path: "his"})
			if len(asked) != len(want) || len(want) > 0 && (asked[0] != want[0] || asked[1] != want[1]) {
				t.Errorf("%s: %q is asked, want %q", name, asked, want)
			}
		}
		look()
		s.remember(1000, "bob")
		look("alice", "bob")
		v, err := come(t, s, 0)
		if err != nil {
			t.Fatal(err)
		}
		v.uid = 1000
		s.prove(t.Context(), v)
		look()
	}
}
