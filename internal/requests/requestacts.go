package requests

import (
	"context"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

const (
	// maxAsked is for how long somebody may ask for something, maxWaits how long a
	// request may wait for its answer.
	maxAsked = 7 * 24 * time.Hour
	maxWaits = 24 * time.Hour
)

// RequestAct has somebody ask for something. Who may view what it is about may ask;
// for whoever may not, it is not there.
func (q *Requests) RequestAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	r, err := q.wanted(who, c)
	if err != nil {
		return nil, err
	}
	a := &gateway.Act{Name: "request", Args: []string{r.What}, Target: acts.FullTarget(q.Gateway, who, c.Target), Verb: access.View}
	if a.Target == "" {
		a.Args = append(a.Args, "--host")
	} else {
		a.Args = append(a.Args, "-t", a.Target)
	}
	a.Args = acts.WithReason(append(a.Args, "--for", r.For.String()), r.Reason)
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		r.On, r.Target = o, gateway.Name(o)
		if why, held := q.heldAlready(r); held {
			return gateway.Result{Value: q.shown(r.End(grants.Held, "muxward", why), who)}, nil
		}
		if err := q.TakesTurn(who); err != nil {
			return gateway.Result{}, err
		}
		b, err := q.ask(ctx, r)
		if err != nil || c.Stands {
			return gateway.Result{Value: b.ShownRequest}, err
		}
		return gateway.Result{Value: b}, nil
	}
	return a, nil
}

// ask has a request wait, and those told who may answer it. Its asker has taken their turn.
func (q *Requests) ask(ctx context.Context, r grants.Request) (b Begun, err error) {
	who := r.Who
	var ending func(context.Context) (grants.Request, error)
	asked, err := q.Waiting.Ask(r, func(r grants.Request) error {
		ending = q.Waiting.Ending(r.ID) // it may be answered before its asker waits
		if err := q.recordRequest(ctx, r, who.Person(), "asks"); err != nil {
			return err
		}
		q.tellHook(r) // before anybody can answer
		return nil
	})
	if err != nil {
		return b, err
	}
	q.Displays.Knock()
	return Begun{q.shown(asked, who), q, who, ending}, nil
}

// heldAlready reports whether somebody holds what they ask for, for as long as they ask
// for it, and by what: nobody has to be asked then.
func (q *Requests) heldAlready(r grants.Request) (why string, held bool) {
	now := q.Gateway.May(r.Who, gateway.Need{Whole: true, Verbs: r.Verbs, Object: r.On, Apart: true})
	if !now.Allow {
		return "", false
	}
	// What is worked out beside has sooner limits meanwhile: the policy itself says until when.
	until := q.Policy.At(r.At).Covers(r.Who.Subject(), r.Verbs, r.On, r.At)
	if !until.Allow || !until.Expires.IsZero() && until.Expires.Before(r.At.Add(r.For)) {
		return "", false
	}
	return now.Rule, true
}

// wanted reads what is asked for.
func (q *Requests) wanted(who identity.Identity, c ctld.Call) (grants.Request, error) {
	r := grants.Request{Who: who, Reason: c.Reason, At: q.Gateway.Time()}
	if err := q.Grants.Usable(); err != nil {
		return r, err
	}
	if !q.Policy.Set().IsPerson(who.Person()) { // whoever is called so later would have it
		return r, fmt.Errorf("%s is no person of the policy, and nothing is given to others; whoever keeps it lists people in people.yaml", who.Person())
	}
	role, verbs := c.Role, ""
	if _, ok := access.Role(c.Role).Verbs(); !ok {
		role, verbs = "", c.Role
	}
	var err error
	if r.What, r.Verbs, err = ctld.Rights(role, verbs); err != nil {
		return r, err
	}
	if r.For, err = ctld.Length("--for", c.For, grants.MinLength, maxAsked); err != nil {
		return r, err
	}
	within, err := ctld.Length("--deadline", c.Within, time.Second, maxWaits)
	r.Until = r.At.Add(within)
	return r, err
}

// Begun is a request whose asker waits for its end.
type Begun struct {
	acts.ShownRequest
	q      *Requests
	who    identity.Identity
	ending func(context.Context) (grants.Request, error)
}

// Ends waits for the end of a request. Who goes before that takes it back.
func (b Begun) Ends(ctx context.Context) (any, error) {
	r, err := b.ending(ctx)
	if err == nil {
		return b.q.shown(r, b.who), nil
	}
	why := "who asked does not wait any more"
	if b.q.Ctx.Err() != nil {
		why = "muxward ends"
	}
	if r, err = b.q.endRequest(ctx, b.ID, grants.Withdrawn, b.who.Person(), why); r.ID == "" {
		return nil, err
	}
	return b.q.shown(r, b.who), nil // it may have ended otherwise just then
}

// WithdrawAct takes back what somebody has asked for.
func (q *Requests) WithdrawAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	a := &gateway.Act{Name: c.Act, Args: []string{c.Request}, Open: true}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		r, ok := q.Waiting.Find(c.Request)
		if !ok || r.Who.Person() != who.Person() {
			return gateway.Result{}, grants.ErrNoRequest(c.Request)
		}
		r, err := q.endRequest(ctx, r.ID, grants.Withdrawn, who.Person(), c.Reason)
		return gateway.Result{Value: q.shown(r, who)}, err
	}
	return a, nil
}

// AnswerAct says yes or no to a request. Who approves has to hold what was asked for,
// and approve, on all that it is about; to deny it takes approve. Nobody learns from
// it which requests there are.
func (q *Requests) AnswerAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	a := &gateway.Act{Name: c.Act, Args: []string{c.Request}, Verb: access.Approve, Hand: true}
	var lasts time.Duration
	if c.For != "" {
		var err error
		if lasts, err = ctld.Length("--for", c.For, grants.MinLength, maxAsked); err != nil {
			return nil, err
		}
		a.Args = append(a.Args, "--for", lasts.String())
	}
	a.Args = acts.WithReason(a.Args, c.Reason)
	r, ok := q.Waiting.Find(c.Request)
	if !ok || r.Who.Person() != who.Person() && !q.Gateway.Holds(who, r.On).Has(access.Approve) {
		a.Open = true
		a.Do = func(context.Context, access.Object) (gateway.Result, error) {
			return gateway.Result{}, grants.ErrNoRequest(c.Request)
		}
		return a, nil
	}
	if err := r.Answers(who); err != nil { // said first, whatever they hold; that they tried is on record
		a.Open = true
		a.Do = func(context.Context, access.Object) (gateway.Result, error) { return gateway.Result{}, err }
		return a, nil
	}
	a.On = []access.Object{r.On}
	answer := q.refuse
	if c.Act == "approve" {
		a.Whole = r.Verbs.With(access.SetOf(access.Approve))
		answer = q.approve
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		r, err := q.changeRequest(ctx, c.Request, func(r grants.Request) (grants.Request, error) {
			return answer(ctx, who, r, answered{lasts, c.Reason})
		})
		if err != nil { // whatever has become of it, not by this
			return gateway.Result{}, err
		}
		return gateway.Result{Value: q.shown(r, who)}, nil
	}
	return a, nil
}
