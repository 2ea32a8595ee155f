package requests

import (
	"context"
	"errors"
	"time"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// Knocking is a knock that waits for its answer.
type Knocking struct {
	acts.Knocking
	b Begun
}

// KnocksAt has somebody who has a code wait until they are let in: it asks for what the
// invite gives.
func (q *Requests) KnocksAt(ctx context.Context, who identity.Identity, v grants.Invite) (Knocking, error) {
	now := q.Gateway.Time()
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
		return Knocking{}, grants.ErrNeedsKey
	case len(v.Used) >= v.Uses:
		return Knocking{}, grants.ErrNotOpen
	}
	if err := q.TakesTurn(who); err != nil {
		return Knocking{}, err
	}
	b, err := q.ask(ctx, r)
	return Knocking{acts.Knocking{Knock: b.ID, Until: r.Until}, b}, err
}

// Ends waits for the answer. Who goes before that takes the knock back.
func (k Knocking) Ends(ctx context.Context) (any, error) { return k.Wait(ctx) }

// Wait is Ends, as what it gives.
func (k Knocking) Wait(ctx context.Context) (acts.KnockEnd, error) {
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
	shown, still := k.b.q.Grants.Shown(r.Grant)
	if !still {
		return acts.KnockEnd{}, grants.ErrNotOpen // it was taken back just then
	}
	end.Grant = &shown
	return end, nil
}

// letIn has somebody come by the invite with which they knocked.
func (q *Requests) letIn(ctx context.Context, r, yes grants.Request, by identity.Identity, why string) (grants.Request, error) {
	g, err := q.Grants.Admit(ctx, r, yes.For)
	if errors.Is(err, grants.ErrNotOpen) {
		err = errors.New("the invite is used up, or has ended")
		return r.End(grants.Void, "muxward", err.Error()), err
	}
	if errors.Is(err, grants.ErrUnwritten) {
		return shutOut(r), err
	}
	if err != nil {
		return r, err
	}
	q.Grants.InForce(ctx, g) // before who knocked hears of it
	yes = yes.End(grants.Approved, by.Person(), why)
	yes.Grant = g.ID
	return yes, nil
}

// shutOut is the end of a knock of which what becomes cannot be recorded: who waits at the door hears so at once, as who comes
// by a code alone does.
func shutOut(r grants.Request) grants.Request {
	return r.End(grants.Denied, "muxward", "you are not let in, because it cannot be recorded")
}
