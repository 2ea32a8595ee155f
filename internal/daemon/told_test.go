package daemon

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// Somebody who is told something is not kept from it by whoever changes the rights of others all the time; what was
// taken from themselves meanwhile is not told.
func TestToldWhileRightsOfOthersChange(t *testing.T) {
	d := granter(t)
	g := d.gives(t)
	tell := func(who string, meanwhile func()) (gateway.Result, error) {
		t.Helper()
		r, err := d.told(t.Context(), identity.Supposed(identity.Subject{Person: who, UID: -1}), func(context.Context) (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		meanwhile()
		return r, r.Gate(func() error { return nil })
	}
	if _, err := tell("root", func() {
		again := d.gives(t)
		d.inForce(t.Context(), again)
		if _, err := d.takeBack(t.Context(), again, "alice", "done"); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Errorf("bob was given something, and it was taken back: %v", err)
	}
	if _, err := tell("bob", func() {
		if _, err := d.takeBack(t.Context(), g, "alice", "done"); err != nil {
			t.Error(err)
		}
	}); err == nil {
		t.Error("bob is told what was taken from him")
	}
	if _, err := tell("bob", func() {
		if _, err := d.deny(t.Context(), revokeTime, grants.Denial{Lock: true, By: "root", At: d.gateway.Time()}); err != nil {
			t.Error(err)
		}
	}); err == nil {
		t.Error("bob is told what is locked down")
	}
}

// What rests on a grant whose time is over meanwhile is not told, and that of others is.
func TestToldBehindTheTime(t *testing.T) {
	d := granter(t)
	var ahead atomic.Int64
	d.gateway = gateway.New(gateway.Parts{Policy: d.policy, Log: d.log, Denials: d.denials,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	d.lately = d.now()
	if _, err := d.give(t.Context(), grants.Grant{
		Who: "bob", What: "viewer", Verbs: access.SetOf(access.View), Target: "alice", Until: d.gateway.Time().Add(time.Second / 2),
		Giver: identity.Subject{Person: "alice", UID: -1, Door: "ctl"}, Source: commandLine, At: d.gateway.Time(),
	}, access.Object{Kind: access.Server, Owner: "alice"}); err != nil {
		t.Fatal(err)
	}
	d.moveGrants()
	if !d.bobLooks() {
		t.Fatal("what was given does not count")
	}
	gates := map[string]gateway.Gate{}
	for _, who := range []string{"bob", "alice"} {
		gate, release := d.gateway.Telling(t.Context(), identity.Supposed(identity.Subject{Person: who, UID: -1}))
		defer release()
		gates[who] = gate
	}
	ahead.Store(int64(time.Second * 3 / 4)) // not a second, or the clock counts as set, and all are decided anew
	d.mindTime()
	if d.bobLooks() || len(d.given()) > 0 {
		t.Fatal("the time is not over")
	}
	for who, gate := range gates {
		if err := gate(func() error { return nil }); (err == nil) != (who == "alice") {
			t.Errorf("%s: %v", who, err)
		}
	}
}
