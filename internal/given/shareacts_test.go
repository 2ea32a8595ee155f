package given

import (
	"context"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// invites has alice invite to her server, and gives the code.
func (d *toy) invites(t *testing.T) grants.Code {
	t.Helper()
	now := d.now()
	v := grants.Invite{Uses: 2, Grant: grants.Grant{
		What: "viewer", Verbs: access.SetOf(access.View, access.Scroll), Target: "alice",
		On:    access.Object{Kind: access.Server, Owner: "alice"},
		Giver: identity.Subject{Person: "alice", UID: -1, Door: "ctl"}, Source: commandLine, At: now.Wall, Until: now.Wall.Add(time.Hour),
	}}
	_, code, err := d.store.Invite(context.Background(), v, now, func(grants.Invite) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestJoinedAgain: who comes by an invite once more has what they have, and nothing is
// decided anew for it.
func TestJoinedAgain(t *testing.T) {
	d, ctx := granter(t), context.Background()
	code := d.invites(t)
	bob := identity.Supposed(identity.Subject{Person: "bob", UID: -1, Door: "ctl"})
	before := d.policy.Generation()
	g, err := d.join(ctx, bob, code)
	if err != nil || d.policy.Generation() == before || !d.bobLooks() {
		t.Fatalf("bob joins: %+v, %v", g, err)
	}
	before = d.policy.Generation()
	again, err := d.join(ctx, bob, code)
	if err != nil || again.ID != g.ID {
		t.Errorf("bob joins again: %+v, %v", again, err)
	}
	if now := d.policy.Generation(); now != before {
		t.Errorf("that is decided anew: generation %d after %d", now, before)
	}
}

// TestJoinAskedAgain: a lockdown that comes while somebody waits for their turn to join
// holds, and they use up nothing.
func TestJoinAskedAgain(t *testing.T) {
	d, ctx := granter(t), context.Background()
	code := d.invites(t)
	bob := identity.Supposed(identity.Subject{Person: "bob", UID: -1, Door: "ctl"})
	if _, err := d.opens(bob, code); err != nil {
		t.Fatal(err)
	}
	if err := d.denials.Add(grants.Denial{Lock: true, By: "alice", At: time.Now(), Reason: "incident"}); err != nil {
		t.Fatal(err)
	}
	if g, err := d.join(ctx, bob, code); err == nil || len(d.store.List()) > 0 || len(d.store.Invites()[0].Used) > 0 {
		t.Errorf("bob joins: %+v, %v; %+v", g, err, d.store.Invites())
	}
}
