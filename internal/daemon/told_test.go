package daemon

import (
	"context"
	"testing"

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
		d.given.InForce(t.Context(), again)
		if err := d.takesBack(again); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Errorf("bob was given something, and it was taken back: %v", err)
	}
	if _, err := tell("bob", func() {
		if err := d.takesBack(g); err != nil {
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
