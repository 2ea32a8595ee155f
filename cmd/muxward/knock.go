package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
)

// knockTime is how long somebody waits who has knocked.
const knockTime = 10 * time.Minute

// Knocking is what there is to tell of a knock before it is answered: not what is behind
// the door.
type Knocking struct {
	Knock string    `json:"knock"`
	Until time.Time `json:"knock_until"`
}

// knocking is one that waits for its answer.
type knocking struct {
	Knocking
	b begun
}

// knockEnd is what came of a knock.
type knockEnd struct {
	Grant *shownGrant `json:"grant,omitempty"`
	// How it was answered, by whom and why, as of a request.
	Answer grants.Answer `json:"answer"`
	By     string        `json:"by,omitempty"`
	Why    string        `json:"why,omitempty"`
}

// knocksAt has somebody who has a code wait until they are let in: it asks for what the
// invite gives.
func (d *daemon) knocksAt(ctx context.Context, who identity.Identity, v grants.Invite) (knocking, error) {
	now := d.gateway.Time()
	r := grants.Request{
		Who: who, What: v.What, Verbs: v.Verbs, On: v.On, Target: v.Target, Reason: v.Reason,
		For: max(v.Until.Sub(now).Round(time.Second), grants.MinLength),
		At:  now, Until: now.Add(knockTime), Invite: v.ID, Key: who.Subject().Key,
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
	return knocking{Knocking{Knock: b.ID, Until: r.Until}, b}, err
}

// Text says that somebody has knocked.
func (k Knocking) Text() string {
	return fmt.Sprintf("you have knocked; it waits for an answer until %s", k.Until.Local().Format(time.TimeOnly))
}

// Ends waits for the answer. Who goes before that takes the knock back.
func (k knocking) Ends(ctx context.Context) (any, error) { return k.wait(ctx) }

func (k knocking) wait(ctx context.Context) (knockEnd, error) {
	value, err := k.b.Ends(ctx)
	if err != nil {
		return knockEnd{}, err
	}
	r, ok := value.(shownRequest)
	if !ok {
		return knockEnd{}, errors.New("the knock has ended") // a fault of ours
	}
	end := knockEnd{Answer: r.Answer, By: r.By, Why: r.Why}
	if r.Answer != grants.Approved {
		return end, nil
	}
	g, still := k.b.d.find(r.Grant)
	if !still {
		return knockEnd{}, grants.ErrNotOpen // it was taken back just then
	}
	end.Grant = &shownGrant{Grant: g, Counts: k.b.d.counting()(g)}
	return end, nil
}

// joined is Ends for who comes by ssh.
func (k knocking) joined(ctx context.Context) (sshd.Joined, error) {
	end, err := k.wait(ctx)
	if err == nil {
		err = end.refusal(k.Knock)
	}
	if err != nil {
		return sshd.Joined{}, err
	}
	return joinedBySSH(*end.Grant), nil
}

// refusal is the error of who was not let in, nil if they were.
func (e knockEnd) refusal(id string) error {
	if e.Grant != nil {
		return nil
	}
	return (shownRequest{Request: grants.Request{ID: id, Answer: e.Answer, By: e.By, Why: e.Why}}).refusal()
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

// errJoined ends the waiting of who has come in at once.
var errJoined = errors.New("joined")

// join uses a code, and waits if that is to knock.
func join(cmd *cobra.Command, f *daemonFlags, code string) (shownGrant, error) {
	at, err := f.serving()
	if err != nil {
		return shownGrant{}, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), knockTime+2*callTime)
	defer cancel()
	var first struct {
		shownGrant
		Knocking
	}
	begun := func() error {
		if first.Knock == "" {
			return errJoined
		}
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), first.Text())
		return err
	}
	var end knockEnd
	err = ctld.Call{Act: "join", Code: code}.Follow(ctx, at.Ctl, callTime, &first, begun, &end)
	switch {
	case errors.Is(err, errJoined):
		return first.shownGrant, nil
	case err != nil && cmd.Context().Err() != nil:
		return shownGrant{}, fmt.Errorf("the knock ends with this: %w", errWithdrawn)
	case err == nil:
		err = end.refusal(first.Knock)
	}
	if err != nil {
		return shownGrant{}, err
	}
	return *end.Grant, nil
}
