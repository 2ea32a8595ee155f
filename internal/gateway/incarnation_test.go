package gateway

import (
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// TestAnotherLifeOfTheServer: a request whose ids are of one life of a server is about
// no other, where they name something else.
func TestAnotherLifeOfTheServer(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	for incarnation, want := range map[string]error{"": nil, tmux.Incarnation{}.String(): nil, "another": ErrServerEnded} {
		g, servers, _, _, _ := guestGateway(t, r)
		servers.give <- struct{}{}
		invs, perr := tmux.ParseArgv([]string{"list-windows", "-t", "alice/work"}, tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		live, ctx := g.begin(t.Context(), bob(t))
		_, err := g.resolve(ctx, Request{Identity: bob(t), Invocation: invs[0], Incarnation: incarnation})
		live.end()
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("of the life %q: %v", incarnation, err)
		}
	}
}
