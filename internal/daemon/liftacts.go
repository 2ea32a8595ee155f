package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// lifting makes an act lift what was taken from a person ("" for a lockdown) by the
// words of its target. none is the error where there is nothing of that.
//
// The words only say which are meant. What each is about may be called otherwise by
// now, and something else as it was: the right is needed on that, and not on what
// the words would mean today.
func (d *daemon) lifting(a *gateway.Act, who identity.Identity, person string, none error) {
	var these []grants.Denial
	asked := d.meant(who, person, a.Target)
	for _, den := range asked {
		if o, ok := d.mayLift(who, a.Verb, den); ok {
			these = append(these, den)
			a.On = append(a.On, o)
		}
	}
	if len(these) > 0 {
		a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
			n, rep, err := d.lift(ctx, these)
			if err == nil && n == 0 {
				err = none
			}
			return gateway.Result{Value: acts.Revoked{Person: person, Target: a.Target, Lifted: n, Report: rep}}, err
		}
		return
	}
	// Whoever holds nothing on the target is refused by the line, in its words.
	a.Lasting = true // what it was about may be gone
	a.Do = func(context.Context, access.Object) (gateway.Result, error) {
		for _, den := range asked {
			if d.holds(who, den.Scope).Has(a.Verb) {
				return gateway.Result{}, fmt.Errorf("%s; only who holds %s on the %s lifts it", den, a.Verb, den.Keeper().Kind)
			}
		}
		return gateway.Result{}, none
	}
}

// meant gives what is meant by a target: by its words with their owner, or, as the
// owner may be nobody of the policy any more, by the words as they are.
func (d *daemon) meant(who identity.Identity, person, target string) []grants.Denial {
	if list := d.denials.Asked(person, acts.FullTarget(d.gateway, who, target)); len(list) > 0 {
		return list
	}
	return d.denials.Asked(person, target)
}

// mayLift gives by what right somebody may lift a denial: that on what it is about,
// or, if whoever put it held it on more, on that; or on anything wider.
func (d *daemon) mayLift(who identity.Identity, verb access.Verb, den grants.Denial) (access.Object, bool) {
	for o := den.Keeper(); ; o = o.Up() {
		if d.holds(who, o).Has(verb) {
			return o, true
		}
		if o.Kind == access.Host {
			return o, false
		}
	}
}

// above gives by how many steps what somebody holds a verb on is wider than an object.
func (d *daemon) above(who identity.Identity, verb access.Verb, o access.Object) int {
	most := 0
	for n := 1; o.Kind > access.Host; n++ {
		o = o.Up()
		if d.holds(who, o).Has(verb) {
			most = n
		}
	}
	return most
}

// liftTime is how long whoever lifts something waits for the disk.
const liftTime = 5 * time.Second

// lifted is what came of lifting denials.
type lifted struct {
	n   int
	rep gateway.Report
	err error
}

// lift forgets denials and returns when everybody whom that touches was decided
// anew. It is carried through, however long the disk takes.
func (d *daemon) lift(ctx context.Context, these []grants.Denial) (int, gateway.Report, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftTime)
	defer cancel()
	done := make(chan lifted, 1)
	d.wg.Go(func() {
		var l lifted
		stay, err := d.goOn(ctx, these)
		if l.err = err; err == nil {
			failpoint.At("lift")
			d.unfound.note(these, d.found) // before: it may be found at any time
			if l.n, l.err = d.denials.Lift(these); l.err == nil {
				l.err = errors.Join(d.goOnLate(ctx, these), errStay(stay))
			}
		}
		if l.n > 0 {
			l.rep = d.decideAnew(ctx, these)
		}
		done <- l
	})
	select {
	case l := <-done:
		return l.n, l.rep, l.err
	case <-ctx.Done():
		return 0, gateway.Report{}, errors.New("not confirmed: the disk takes long, or a tmux server that was stopped, and it may be lifted later")
	}
}

func (d *daemon) decideAnew(ctx context.Context, these []grants.Denial) gateway.Report {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftTime)
	defer cancel()
	var rep gateway.Report
	for _, den := range these {
		d.bumpFor(den.Person)
		part := d.gateway.ReconsiderGiven(ctx, den.Scope, d.restingOnDenied(den), "let in again")
		rep.Touched += part.Touched
		rep.Unconfirmed = append(rep.Unconfirmed, part.Unconfirmed...)
	}
	return rep
}

// restingOnDenied reports of whom what they hold may rest on what a denial takes.
func (d *daemon) restingOnDenied(den grants.Denial) func(person string) bool {
	if den.Lock {
		return func(string) bool { return true }
	}
	return d.given.RestingOn(den.Person)
}
