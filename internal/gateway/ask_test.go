package gateway

import (
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// TestAskForWhere: how to ask others for what was refused is told where muxward's commands
// are. Who comes by ssh has none, whether they came by a key or by the password of an account.
func TestAskForWhere(t *testing.T) {
	g := newGateway(t, &rules{})
	pane := access.Object{Kind: access.Pane, Owner: "alice", Incarnation: "1", Session: access.SessionRef{ID: 1, Name: "work"},
		Window: access.WindowRef{ID: 2}, Pane: access.PaneRef{ID: 3}}
	need := Need{Verb: access.Type, Object: pane}
	for _, c := range []struct {
		from string
		who  identity.Identity
		want bool
	}{
		{"an account of this host", bob(t), true},
		{"one whom explain is about", identity.Supposed(identity.Subject{Person: "bob", Door: "tmux", UID: -1}), true},
		{"the ssh door by a password", identity.Supposed(identity.Subject{Person: "bob", Account: "bob", Door: "ssh", UID: -1}), false},
	} {
		if got := g.Refused(c.who, need, access.Decision{}).Ask; (got != "") != c.want {
			t.Errorf("from %s: %q", c.from, got)
		}
	}
}
