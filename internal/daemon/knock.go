package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
)

// giving is what is given for requests and knocks that were approved.
type giving struct{ d *daemon }

// Usable implements requests.Grants.
func (s giving) Usable() error {
	if s.d.grants == nil {
		return errNoGrants
	}
	return nil
}

// Give implements requests.Grants.
func (s giving) Give(ctx context.Context, g grants.Grant, on access.Object) (grants.Grant, error) {
	return s.d.give(ctx, g, on)
}

// InForce implements requests.Grants.
func (s giving) InForce(ctx context.Context, g grants.Grant) { s.d.inForce(ctx, g) }

// Shown implements requests.Grants.
func (s giving) Shown(id int64) (acts.ShownGrant, bool) {
	g, still := s.d.find(id)
	if !still {
		return acts.ShownGrant{}, false
	}
	return acts.GrantOf(g, s.d.counting()(g)), true
}

// MayKnock implements requests.Grants.
func (s giving) MayKnock(r grants.Request) error {
	v, open := s.d.grants.FindInvite(r.Invite)
	if !open || !s.d.gateway.Time().Before(v.Until) || s.d.mayJoin(r.Who, v) != nil {
		return errors.New("the invite is not open for who knocked now")
	}
	return nil
}

// Admit implements requests.Grants. Whether they may come is asked again when others have
// written, as of who comes by a code alone.
func (s giving) Admit(ctx context.Context, r grants.Request, lasts time.Duration) (grants.Grant, error) {
	d := s.d
	if err := d.granting.Take(ctx, grantTurn, errGranting); err != nil {
		return grants.Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	defer d.granting.Leave()
	if s.MayKnock(r) != nil {
		return grants.Grant{}, grants.ErrNotOpen
	}
	now := d.now()
	j := grants.Joiner{Person: r.Who.Person(), Key: r.Key, Until: now.Wall.Add(lasts)}
	g, _, err := d.grants.Admit(ctx, r.Invite, j, now, d.recordsGiven(ctx))
	return g, err
}
