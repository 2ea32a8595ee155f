package requests

import (
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// A yes by an account that is another's by now is gone, and whoever has the name next can say it themselves.
func TestYesOfAStranger(t *testing.T) {
	away := false
	q := &Requests{Strangers: func(who identity.Identity) error {
		if uid, _ := who.UID(); away && uid == 1002 {
			return errors.New("it has gone")
		}
		return nil
	}}
	carol := func(uid int64) identity.Identity {
		return identity.Supposed(identity.Subject{Person: "carol", Account: "carol", UID: uid, Door: "ctl"})
	}
	r := grants.Request{ID: "x", Who: identity.Supposed(identity.Subject{Person: "bob", UID: -1})}
	r, err := r.Agree(carol(1002), 0)
	if err != nil {
		t.Fatal(err)
	}
	if left := q.withoutStrangers(r); len(left.Yes) != 1 {
		t.Errorf("nobody has her account, and her yes is gone: %d", len(left.Yes))
	}
	away = true
	left := q.withoutStrangers(r)
	if len(left.Yes) != 0 || len(r.Yes) != 1 {
		t.Errorf("%d of %d are left", len(left.Yes), len(r.Yes))
	}
	if again, err := left.Agree(carol(1003), 0); err != nil || len(q.withoutStrangers(again).Yes) != 1 {
		t.Errorf("the next carol cannot say yes: %v", err)
	}
}
