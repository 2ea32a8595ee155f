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
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/settle"
)

// revokeTime bounds how long a revocation waits for what it ends, lockTime a
// lockdown, which waits for its records as well.
const (
	revokeTime = settle.Time
	lockTime   = 3 * time.Second
)

// revokeAct takes everything on a target from a person, or gives it back. A kick
// is a revocation whose target is the asker's own server unless another is named.
func (d *daemon) revokeAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	person, err := identity.CanonicalName(c.Person)
	if err != nil {
		return nil, err
	}
	target := c.Target
	if target == "" && c.Act == "kick" {
		target = who.Person()
	}
	a := &gateway.Act{Name: c.Act, Args: []string{person}, Target: target, Verb: access.Kick}
	if target != "" {
		a.Args = append(a.Args, "-t", target)
	}
	if c.Undo {
		a.Args = append(a.Args, "--undo")
		d.lifting(a, who, person, fmt.Errorf("nothing was revoked from %s%s; see: muxward revoke --list", person, acts.On(target)))
		return a, nil
	}
	a.Args = acts.WithReason(a.Args, c.Reason)
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		rep, err := d.deny(ctx, revokeTime, grants.Denial{
			Person: person, Scope: o, Target: acts.FullTarget(d.gateway, who, target), Reason: c.Reason,
			By: who.Person(), At: d.gateway.Time(), Above: d.above(who, access.Kick, o),
		})
		unknown := rep.Touched == 0 && !d.policy.Set().IsPerson(person)
		return gateway.Result{Value: acts.Revoked{Person: person, Target: target, Report: rep, Unknown: unknown}}, err
	}
	return a, nil
}

// deny puts a denial in force, and returns when what it takes has ended. The
// error says what could not be confirmed in time.
func (d *daemon) deny(ctx context.Context, within time.Duration, den grants.Denial) (gateway.Report, error) {
	ctx, cancel := carriedThrough(ctx, within, den.Lock)
	defer cancel()
	if err := d.room(den); err != nil {
		return gateway.Report{}, err
	}
	ctx, tell := gateway.Behind(ctx)
	defer tell()
	keep := d.denials.Deny(den)
	failpoint.At("denied")
	d.bumpFor(den.Person)
	why := den.Reason
	if den.Lock {
		why = den.String()
	}
	rep, err := settle.Wait(ctx, keep, func() gateway.Report {
		if stops(den) {
			return d.standStill(ctx, den, why)
		}
		return d.gateway.ReconsiderOn(ctx, den.Scope, d.restingOnDenied(den), why)
	})
	d.keyboards.FreeRevoked()
	return rep, errors.Join(err, d.keyboards.VoidSuggestions(ctx, voidWithin(ctx, den)))
}

// carriedThrough gives what has begun its time, also if the asker goes meanwhile. What is urgent
// ends so long before its asker's end that there is time for its record.
func carriedThrough(ctx context.Context, within time.Duration, urgent bool) (context.Context, context.CancelFunc) {
	if by, ok := ctx.Deadline(); ok && urgent {
		within = min(within, time.Until(by)-gateway.UrgentTime)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), within)
}

// voidWithin is how long those are waited for who take a suggestion just then. In a lockdown they
// are stopped as everybody is, and it ends when that does.
func voidWithin(ctx context.Context, den grants.Denial) time.Duration {
	if end, ok := ctx.Deadline(); ok && den.Lock {
		return min(keyboard.VoidTime, max(time.Until(end), keyboard.VoidLeast))
	}
	return keyboard.VoidTime
}

// mostDenied is how many denials one person has in force. Each is looked at in every
// decision.
const mostDenied = 500

// room says that somebody has taken too much from too many. On the whole host, which
// few may, there is always room.
func (d *daemon) room(den grants.Denial) error {
	theirs := 0
	for _, old := range d.denials.List() {
		if old.By == den.By {
			theirs++
		}
	}
	if theirs >= mostDenied && den.Scope.Kind != access.Host {
		return fmt.Errorf("%d revocations and lockdowns of yours are in force; lift some, or name what they lie in", theirs)
	}
	return nil
}

// bumpFor has it found out again which grants count if some are from a
// person from whom something is taken, or who is let in again.
func (d *daemon) bumpFor(person string) {
	if person != "" && d.given.Gave(person) {
		d.policy.Bump()
	}
}

// lockAct freezes a target for everybody, or ends that.
func (d *daemon) lockAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	target := c.Target
	if target == "" && !c.All {
		target = who.Person()
	}
	a := &gateway.Act{Name: c.Act, Target: target, Verb: access.Lock}
	if target == "" {
		a.Args = []string{"--host"}
	} else {
		a.Args = []string{"-t", target}
	}
	if c.Act == "unlock" {
		d.lifting(a, who, "", fmt.Errorf("there is no lockdown%s; see: muxward lockdown --list", acts.On(target)))
		return a, nil
	}
	if c.Views {
		a.Args = append(a.Args, "--views")
	}
	a.Urgent = true
	a.Args = acts.WithReason(a.Args, c.Reason)
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		rep, err := d.deny(ctx, lockTime, grants.Denial{
			Lock: true, Views: c.Views, Scope: o, Target: acts.FullTarget(d.gateway, who, target), Reason: c.Reason,
			By: who.Person(), At: d.gateway.Time(), Above: d.above(who, access.Lock, o),
		})
		return gateway.Result{Value: acts.Revoked{Target: target, Report: rep}}, err
	}
	return a, nil
}

// panicAct locks down what somebody is at, by the key in their display. It is about that
// by its ids: nobody is asked what has its name, and it waits for no tmux server.
func (d *daemon) panicAct(who identity.Identity, o access.Object) (*gateway.Act, error) {
	a, err := d.lockAct(who, ctld.Call{Act: "lockdown", Target: gateway.Name(o), Reason: "by the panic key"})
	if err == nil {
		a.On = []access.Object{o}
	}
	return a, err
}

// lockdowns lists those that the asker may know of: they hold something there,
// or would if it were not locked down.
func (d *daemon) lockdowns(who identity.Identity) []acts.Lockdown {
	out := []acts.Lockdown{}
	for _, den := range d.denials.List() {
		if !den.Lock {
			continue
		}
		if den.Scope.Kind == access.Host || d.concernedBy(who.Subject(), den.Scope) {
			out = append(out, acts.Lockdown{ShownDenial: acts.DenialOf(den), Stopped: d.haltedFor(who, den)})
		}
	}
	return out
}

// concernedBy reports whether somebody holds something on an object, or, of a
// server, on anything in it.
func (d *daemon) concernedBy(who identity.Subject, o access.Object) bool {
	if d.denials.Revoked(who.Person, o) {
		return false
	}
	now := d.gateway.Time()
	if o.Kind == access.Server {
		return !d.policy.Blind(who, access.Object{Kind: access.Server, Owner: o.Owner}, now)
	}
	return d.policy.Holds(who, o, now) != 0
}
