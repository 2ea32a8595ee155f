package daemon

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

// requestAct has somebody ask for something. Who may view what it is about may ask;
// for whoever may not, it is not there.
func (d *daemon) requestAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	r, err := d.wanted(who, c)
	if err != nil {
		return nil, err
	}
	a := &gateway.Act{Name: "request", Args: []string{r.What}, Target: acts.FullTarget(d.gateway, who, c.Target), Verb: access.View}
	if a.Target == "" {
		a.Args = append(a.Args, "--host")
	} else {
		a.Args = append(a.Args, "-t", a.Target)
	}
	a.Args = acts.WithReason(append(a.Args, "--for", r.For.String()), r.Reason)
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		r.On, r.Target = o, gateway.Name(o)
		if why, held := d.heldAlready(r); held {
			return gateway.Result{Value: d.shown(r.End(grants.Held, "muxward", why), who)}, nil
		}
		if err := d.takesAsking(who); err != nil {
			return gateway.Result{}, err
		}
		b, err := d.ask(ctx, r)
		if err != nil || c.Stands {
			return gateway.Result{Value: b.ShownRequest}, err
		}
		return gateway.Result{Value: b}, nil
	}
	return a, nil
}

// ask has a request wait, and those told who may answer it. Its asker has taken their turn.
func (d *daemon) ask(ctx context.Context, r grants.Request) (b begun, err error) {
	who := r.Who
	var ending func(context.Context) (grants.Request, error)
	asked, err := d.requests.Ask(r, func(r grants.Request) error {
		ending = d.requests.Ending(r.ID) // it may be answered before its asker waits
		if err := d.recordRequest(ctx, r, who.Person(), "asks"); err != nil {
			return err
		}
		d.tellHook(r) // before anybody can answer
		return nil
	})
	if err != nil {
		return b, err
	}
	d.knock()
	return begun{d.shown(asked, who), d, who, ending}, nil
}

// heldAlready reports whether somebody holds what they ask for, for as long as they ask
// for it, and by what: nobody has to be asked then.
func (d *daemon) heldAlready(r grants.Request) (why string, held bool) {
	now := d.gateway.May(r.Who, gateway.Need{Whole: true, Verbs: r.Verbs, Object: r.On, Apart: true})
	if !now.Allow {
		return "", false
	}
	// What is worked out beside has sooner limits meanwhile: the policy itself says until when.
	until := d.policy.At(r.At).Covers(r.Who.Subject(), r.Verbs, r.On, r.At)
	if !until.Allow || !until.Expires.IsZero() && until.Expires.Before(r.At.Add(r.For)) {
		return "", false
	}
	return now.Rule, true
}

// wanted reads what is asked for.
func (d *daemon) wanted(who identity.Identity, c ctld.Call) (grants.Request, error) {
	r := grants.Request{Who: who, Reason: c.Reason, At: d.gateway.Time()}
	if d.grants == nil {
		return r, errNoGrants
	}
	if !d.policy.Set().IsPerson(who.Person()) { // whoever is called so later would have it
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

// begun is a request whose asker waits for its end.
type begun struct {
	acts.ShownRequest
	d      *daemon
	who    identity.Identity
	ending func(context.Context) (grants.Request, error)
}

// Ends waits for the end of a request. Who goes before that takes it back.
func (b begun) Ends(ctx context.Context) (any, error) {
	r, err := b.ending(ctx)
	if err == nil {
		return b.d.shown(r, b.who), nil
	}
	why := "who asked does not wait any more"
	if b.d.ctx.Err() != nil {
		why = "muxward ends"
	}
	if r, err = b.d.endRequest(ctx, b.ID, grants.Withdrawn, b.who.Person(), why); r.ID == "" {
		return nil, err
	}
	return b.d.shown(r, b.who), nil // it may have ended otherwise just then
}

// withdrawAct takes back what somebody has asked for.
func (d *daemon) withdrawAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	a := &gateway.Act{Name: c.Act, Args: []string{c.Request}, Open: true}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		r, ok := d.requests.Find(c.Request)
		if !ok || r.Who.Person() != who.Person() {
			return gateway.Result{}, grants.ErrNoRequest(c.Request)
		}
		r, err := d.endRequest(ctx, r.ID, grants.Withdrawn, who.Person(), c.Reason)
		return gateway.Result{Value: d.shown(r, who)}, err
	}
	return a, nil
}

// answerAct says yes or no to a request. Who approves has to hold what was asked for,
// and approve, on all that it is about; to deny it takes approve. Nobody learns from
// it which requests there are.
func (d *daemon) answerAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
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
	r, ok := d.requests.Find(c.Request)
	if !ok || r.Who.Person() != who.Person() && !d.holds(who, r.On).Has(access.Approve) {
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
	answer := d.refuse
	if c.Act == "approve" {
		a.Whole = r.Verbs.With(access.SetOf(access.Approve))
		answer = d.approve
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		r, err := d.changeRequest(ctx, c.Request, func(r grants.Request) (grants.Request, error) {
			return answer(ctx, who, r, answered{lasts, c.Reason})
		})
		if err != nil { // whatever has become of it, not by this
			return gateway.Result{}, err
		}
		return gateway.Result{Value: d.shown(r, who)}, nil
	}
	return a, nil
}
