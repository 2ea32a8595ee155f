package requests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/settle"
)

// answered is what somebody has said with their answer: for how long at most, zero if
// as asked, and why.
type answered struct {
	lasts time.Duration
	why   string
}

// errVoid is the end of a request that cannot be approved any more.
var errVoid = errors.New("nobody can approve it any more")

// approve adds a yes to a request, and gives what was asked for if it takes no more.
// Meanwhile nobody else answers it, nor takes it back.
func (q *Requests) approve(ctx context.Context, who identity.Identity, r grants.Request, a answered) (grants.Request, error) {
	now := q.Gateway.Time()
	if r.Overdue(now) {
		return r.End(grants.TimedOut, "muxward", ""), errors.New("its time to be answered is over")
	}
	on, err := q.still(ctx, r)
	if errors.Is(err, errVoid) {
		return r.End(grants.Void, "muxward", err.Error()), err
	}
	if err != nil {
		return r, err
	}
	set := q.Policy.Set()
	quorum := set.Quorum(on)
	agrees := func(by identity.Identity) error {
		for _, n := range giving(r, on) {
			if d := q.Gateway.May(by, n); !d.Allow {
				return &gateway.Refused{Decision: d, Need: n}
			}
		}
		return set.Fits(quorum, r.Who.Person(), by.Person())
	}
	if err := agrees(who); err != nil { // also by what has come to it since it was asked for
		return r, err
	}
	next, err := q.withoutStrangers(r).Agree(who, a.lasts)
	if err != nil {
		return r, err
	}
	count := 0
	for _, by := range next.Yes {
		if agrees(by) == nil {
			count++
		}
	}
	if count < quorum.Need {
		return next, nil
	}
	if r.Invite != 0 {
		return q.letIn(ctx, r, next, who, a.why)
	}
	g, err := q.Grants.Give(ctx, grants.Grant{
		Who: r.Who.Person(), What: r.What, Verbs: r.Verbs, Target: r.Target, Reason: r.Reason,
		Giver: who.Subject(), Source: grants.Approval, At: now, Until: now.Add(next.For),
	}, on)
	if err != nil {
		return r, err
	}
	q.Grants.InForce(ctx, g) // before who asked hears of it
	next = next.End(grants.Approved, who.Person(), a.why)
	next.Grant = g.ID
	return next, nil
}

// giving is what it takes to approve a request.
func giving(r grants.Request, on access.Object) []gateway.Need {
	whole := r.Verbs.With(access.SetOf(access.Approve))
	return []gateway.Need{{Verb: access.Approve, Object: on}, {Whole: true, Verbs: whole, Object: on, Apart: true}}
}

// still gives what a request is about as it is now, if that is the same thing, and
// who asked may view it still.
func (q *Requests) still(ctx context.Context, r grants.Request) (access.Object, error) {
	on := r.On
	if !q.Policy.Set().IsPerson(r.Who.Person()) {
		return on, fmt.Errorf("%w: %s is no person of the policy any more", errVoid, r.Who.Person())
	}
	if on.Kind > access.Host {
		now, err := q.Gateway.Object(ctx, r.On.Owner, gateway.ByID(r.On))
		lost := new(gateway.NotFound)
		if err != nil && !errors.As(err, &lost) {
			return on, err
		}
		if err != nil || !r.Is(now) {
			return on, fmt.Errorf("%w: what it is about has gone, or has another name or place by now", errVoid)
		}
		on = now
	}
	if err := q.mayAsk(r); err != nil {
		return on, fmt.Errorf("%w: %w", errVoid, err)
	}
	return on, nil
}

// mayAsk says why somebody may not ask for something now, nil if they may: they view it,
// or knock by an invite that is open for them.
func (q *Requests) mayAsk(r grants.Request) error {
	if r.Invite == 0 {
		if !q.Gateway.May(r.Who, gateway.Need{Verb: access.View, Object: r.On}).Allow {
			return errors.New("who asked may not view it now")
		}
		return nil
	}
	return q.Grants.MayKnock(r)
}

// refuse says no to a request.
func (q *Requests) refuse(_ context.Context, who identity.Identity, r grants.Request, a answered) (grants.Request, error) {
	if err := r.Answers(who); err != nil {
		return r, err
	}
	return r.End(grants.Denied, who.Person(), a.why), nil
}

// changeRequest changes an open request, and has its end recorded and told.
func (q *Requests) changeRequest(ctx context.Context, id string, f func(grants.Request) (grants.Request, error)) (grants.Request, error) {
	ended := false
	r, err := q.Waiting.Change(ctx, id, func(r grants.Request) (grants.Request, error) {
		next, err := f(r)
		ended = next.Answer != grants.Open
		return next, err
	})
	if ended {
		if rerr := q.recordRequest(ctx, r, r.By, string(r.Answer)); rerr != nil {
			q.Complain(fmt.Sprintf("request %s: %s (not recorded: %v)", r.ID, r.Answer, rerr))
		}
		q.tellHook(r)
	}
	q.Displays.Knock()
	return r, err
}

// endRequest ends a request for whatever reason but an answer.
func (q *Requests) endRequest(ctx context.Context, id string, as grants.Answer, by, why string) (grants.Request, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	return q.changeRequest(ctx, id, func(r grants.Request) (grants.Request, error) { return r.End(as, by, why), nil })
}

// recordRequest writes that something was asked for, and what became of it.
func (q *Requests) recordRequest(ctx context.Context, r grants.Request, by, what string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Record)
	defer cancel()
	ev := access.Event{
		Kind: access.EventRequest, Time: q.Gateway.Time(), Person: by, Allowed: r.Answer == grants.Approved,
		Objects: []string{r.On.String()}, Verbs: []string{r.Verbs.String()}, Reason: r.Reason,
		Note: fmt.Sprintf("request %s %s: %s for %s on %s for %v", r.ID, what, r.What, r.Who.Person(), acts.TargetName(r.Target), r.For),
	}
	if r.Invite != 0 {
		ev.Note += fmt.Sprintf(", by invite %d", r.Invite)
	}
	if r.Answer != grants.Open {
		ev.Reason = r.Why
	}
	if r.Grant != 0 {
		ev.Note += fmt.Sprintf(", grant %d", r.Grant)
	}
	if r.On.Incarnation != "" {
		ev.Server = r.On.Owner + "#" + r.On.Incarnation
	}
	_, err := q.Log.Append(ctx, access.MustRecordClass, ev)
	return err
}

// Mind has requests answered by no when their time is over, ends those of
// whom has lost what it takes to ask, and knocks while nothing can be recorded, and has the yes of strangers count no more.
func (q *Requests) Mind() {
	tick := time.NewTicker(minded)
	defer tick.Stop()
	for {
		select {
		case <-q.Ctx.Done():
			return
		case <-tick.C:
		}
		now := q.Gateway.Time()
		for _, id := range q.Waiting.Overdue(now) {
			q.ends(id, func(r grants.Request) grants.Request {
				return r.End(grants.TimedOut, "muxward", "nobody has answered in time")
			})
		}
		unrecorded := q.Unrecorded() != nil
		for _, r := range q.Waiting.List() {
			why := q.mayAsk(r)
			out := unrecorded && r.Invite != 0
			if why == nil && !out && len(q.withoutStrangers(r).Yes) == len(r.Yes) {
				continue
			}
			if q.Draining() { // nobody may anything any more: that is told as what it is
				return
			}
			q.ends(r.ID, func(r grants.Request) grants.Request {
				switch {
				case why != nil:
					r = r.End(grants.Void, "muxward", why.Error())
				case out:
					r = shutOut(r)
				}
				return q.withoutStrangers(r)
			})
		}
	}
}

// ends changes a request that is minded. Who answers it just then finds out what is the matter, too.
func (q *Requests) ends(id string, f func(grants.Request) grants.Request) {
	ctx, cancel := context.WithTimeout(q.Ctx, minded)
	defer cancel()
	_, _ = q.changeRequest(ctx, id, func(r grants.Request) (grants.Request, error) { return f(r), nil })
}

// withoutStrangers gives a request without the yes of those whose account is another's by now: who has that name
// next is neither told that they have said it, nor kept from saying it.
func (q *Requests) withoutStrangers(r grants.Request) grants.Request {
	r.Yes = slices.DeleteFunc(slices.Clone(r.Yes), func(by identity.Identity) bool { return q.Strangers(by) != nil })
	return r
}

func (q *Requests) shown(r grants.Request, who identity.Identity) acts.ShownRequest {
	s := acts.RequestOf(r)
	s.Mine = r.Who.Person() == who.Person()
	for _, by := range r.Yes {
		s.Yes = append(s.Yes, by.Person())
	}
	s.Need = q.Policy.Set().Quorum(r.On).Need
	if s.Mine && r.Invite != 0 && r.Answer != grants.Approved { // what is behind the door
		s.Target, s.On, s.What, s.Verbs, s.Reason, s.Need = fmt.Sprintf("invite %d", r.Invite), acts.WhereOf(access.Object{}), "join", []string{}, "", 0
	}
	return s
}

// Visible lists the open requests of the asker, and those that they could
// answer.
func (q *Requests) Visible(who identity.Identity) []acts.ShownRequest {
	out := []acts.ShownRequest{}
	for _, r := range q.Waiting.List() {
		if r.Who.Person() == who.Person() || q.Gateway.Holds(who, r.On).Has(access.Approve) {
			out = append(out, q.shown(r, who))
		}
	}
	return out
}

// Approvable gives the requests that somebody may approve.
func (q *Requests) Approvable(who identity.Identity) (out []executor.Waits) {
	list := q.Waiting.List()
	if len(list) == 0 {
		return nil
	}
	set := q.Policy.Set()
	for _, r := range list {
		asker := r.Who.Person()
		yes := slices.ContainsFunc(r.Yes, func(by identity.Identity) bool { return by.Person() == who.Person() })
		if yes || r.Answers(who) != nil || set.Fits(set.Quorum(r.On), asker, who.Person()) != nil || !q.Gateway.May(who, giving(r, r.On)...).Allow {
			continue
		}
		text := fmt.Sprintf("%s %s for %s on %s for %s", asker, asksHow(r), r.What, acts.TargetName(r.Target), acts.Briefly(r.For))
		if need := set.Quorum(r.On).Need; need > 1 {
			text += fmt.Sprintf(" (%d of %d)", len(r.Yes), need)
		}
		if r.Reason != "" {
			text += ": " + acts.ShortReason(r.Reason)
		}
		out = append(out, executor.Waits{ID: r.ID, From: asker, Text: text, How: "see muxward approvals", Need: giving(r, r.On)[0]})
	}
	return out
}

// asksHow says by which way something is asked for.
func asksHow(r grants.Request) string {
	if r.Invite != 0 {
		return fmt.Sprintf("knocks with invite %d, and asks", r.Invite)
	}
	return "asks"
}
