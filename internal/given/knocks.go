package given

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
)

// This file is what requests and knocks alone ask for. Book is requests.Grants, with Usable, Give and InForce, which are others' as well.

// Shown gives a grant as it is told, if it is given still.
func (b *Book) Shown(id int64) (acts.ShownGrant, bool) {
	g, still := b.Find(id)
	if !still {
		return acts.ShownGrant{}, false
	}
	return acts.GrantOf(g, b.counting()(g)), true
}

// MayKnock says why the invite of a request is not open now for who knocked with it.
func (b *Book) MayKnock(r grants.Request) error {
	v, open := b.store.FindInvite(r.Invite)
	if !open || !b.Gateway.Time().Before(v.Until) || b.mayJoin(r.Who, v) != nil {
		return errors.New("the invite is not open for who knocked now")
	}
	return nil
}

// Admit keeps a use of the invite of a knock. Whether they may come is asked again when others have
// written, as of who comes by a code alone.
func (b *Book) Admit(ctx context.Context, r grants.Request, lasts time.Duration) (grants.Grant, error) {
	if err := b.granting.Take(ctx, grantTurn, errGranting); err != nil {
		return grants.Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	defer b.granting.Leave()
	if b.MayKnock(r) != nil {
		return grants.Grant{}, grants.ErrNotOpen
	}
	now := b.now()
	j := grants.Joiner{Person: r.Who.Person(), Key: r.Key, Until: now.Wall.Add(lasts)}
	g, _, err := b.store.Admit(ctx, r.Invite, j, now, b.recordsGiven(ctx))
	return g, err
}
