package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/sshd"
)

// knocking is one that waits for its answer.
type knocking struct {
	acts.Knocking
	b begun
}

// knocksAt has somebody who has a code wait until they are let in: it asks for what the
// invite gives.
func (d *daemon) knocksAt(ctx context.Context, who identity.Identity, v grants.Invite) (knocking, error) {
	now := d.gateway.Time()
	r := grants.Request{
		Who: who, What: v.What, Verbs: v.Verbs, On: v.On, Target: v.Target, Reason: v.Reason,
		For: max(v.Until.Sub(now).Round(time.Second), grants.MinLength),
		At:  now, Until: now.Add(acts.KnockTime), Invite: v.ID, Key: who.Subject().Key,
	}
	if v.Until.Before(r.Until) {
		r.Until = v.Until
	}
	switch {
	case v.Bind && r.Key == "":
		return knocking{}, grants.ErrNeedsKey
	case len(v.Used) >= v.Uses:
		return knocking{}, grants.ErrNotOpen
	}
	if err := d.takesAsking(who); err != nil {
		return knocking{}, err
	}
	b, err := d.ask(ctx, r)
	return knocking{acts.Knocking{Knock: b.ID, Until: r.Until}, b}, err
}

// Ends waits for the answer. Who goes before that takes the knock back.
func (k knocking) Ends(ctx context.Context) (any, error) { return k.wait(ctx) }

func (k knocking) wait(ctx context.Context) (acts.KnockEnd, error) {
	value, err := k.b.Ends(ctx)
	if err != nil {
		return acts.KnockEnd{}, err
	}
	r, ok := value.(acts.ShownRequest)
	if !ok {
		return acts.KnockEnd{}, errors.New("the knock has ended") // a fault of ours
	}
	end := acts.KnockEnd{Answer: r.Answer, By: r.By, Why: r.Why}
	if r.Answer != grants.Approved {
		return end, nil
	}
	g, still := k.b.d.find(r.Grant)
	if !still {
		return acts.KnockEnd{}, grants.ErrNotOpen // it was taken back just then
	}
	shown := acts.GrantOf(g, k.b.d.counting()(g))
	end.Grant = &shown
	return end, nil
}

// joined is Ends for who comes by ssh.
func (k knocking) joined(ctx context.Context) (sshd.Joined, error) {
	end, err := k.wait(ctx)
	if err == nil {
		err = end.Refusal(k.Knock)
	}
	if err != nil {
		return sshd.Joined{}, err
	}
	return joinedBySSH(*end.Grant), nil
}

// letIn has somebody come by the invite with which they knocked.
func (d *daemon) letIn(ctx context.Context, r, yes grants.Request, by identity.Identity, why string) (grants.Request, error) {
	g, err := d.admit(ctx, r, yes.For)
	if errors.Is(err, grants.ErrNotOpen) {
		err = errors.New("the invite is used up, or has ended")
		return r.End(grants.Void, "muxward", err.Error()), err
	}
	if err != nil {
		return r, err
	}
	d.inForce(ctx, g) // before who knocked hears of it
	yes = yes.End(grants.Approved, by.Person(), why)
	yes.Grant = g.ID
	return yes, nil
}

// admit keeps a use of an invite. Whether they may come is asked again when others have
// written, as of who comes by a code alone.
func (d *daemon) admit(ctx context.Context, r grants.Request, lasts time.Duration) (grants.Grant, error) {
	if err := d.granting.take(ctx, grantTurn, errGranting); err != nil {
		return grants.Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	defer d.granting.leave()
	if d.mayAsk(r) != nil {
		return grants.Grant{}, grants.ErrNotOpen
	}
	now := d.now()
	j := grants.Joiner{Person: r.Who.Person(), Key: r.Key, Until: now.Wall.Add(lasts)}
	g, _, err := d.grants.Admit(ctx, r.Invite, j, now, d.recordsGiven(ctx))
	return g, err
}
