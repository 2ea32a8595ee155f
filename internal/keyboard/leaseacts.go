package keyboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

// mostLeases is how many leases one person has turned on, mostInAll all people: each is
// looked at in every decision.
const (
	mostLeases = 100
	mostInAll  = 1000
)

// errInsideLease is said where nobody knows whose hand it is.
var errInsideLease = errors.New("whoever may type into a pane, or has left something there, could have asked this: " +
	"do it in a terminal of your own, or by the key in your own display")

// knownHand refuses what may be another's hand: from inside a pane, and, but for asking,
// what has left one or never had a terminal. Who comes by ssh has only their display.
func knownHand(who identity.Identity, what string) error {
	_, local := who.UID()
	if who.Inside() != "" || what != "ask" && local && who.Detached() {
		return errInsideLease
	}
	return nil
}

// LeaseAct is about who has the keyboard of a pane. A lease is turned on and off, and
// taken back, by who holds lock there: they could freeze the pane for everybody. All
// others have to view it, and to hold type to have the keyboard.
func (k *Keyboards) LeaseAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	what := strings.TrimPrefix(c.Act, "lease-")
	a := &gateway.Act{Name: "lease", Args: []string{what}, Target: c.Target, Verb: access.View}
	l, err := k.meantLease(who, c)
	if err != nil {
		return nil, err
	}
	if l.ID != 0 { // by the key in a display, or the only one that they have
		a.On, c.Target = []access.Object{l.On}, l.Target
	}
	if c.Person != "" {
		if c.Person, err = identity.CanonicalName(c.Person); err != nil {
			return nil, err
		}
		a.Args = append(a.Args, c.Person)
	}
	a.Args = append(a.Args, "-t", c.Target)
	var do func(ctx context.Context, on access.Object) (grants.Lease, string, error)
	switch what {
	case "on":
		a.Verb, a.Hand = access.Lock, c.Person != ""
		do = func(ctx context.Context, on access.Object) (grants.Lease, string, error) {
			return k.leaseOn(ctx, who, on, c)
		}
	case "off":
		a.Verb = access.Lock
		do = k.leaseOff
	case "take":
		a.Verb = access.Lock
		do = func(ctx context.Context, on access.Object) (grants.Lease, string, error) {
			return k.leaseTake(ctx, who, on)
		}
	case "ask":
		do = func(ctx context.Context, on access.Object) (grants.Lease, string, error) {
			return k.leaseAsk(ctx, who, on)
		}
	case "hand":
		a.Hand = true
		do = func(ctx context.Context, on access.Object) (grants.Lease, string, error) {
			return k.leaseHand(ctx, who, on, c.Person)
		}
	case "free":
		do = func(ctx context.Context, on access.Object) (grants.Lease, string, error) {
			return k.leaseFree(ctx, who, on)
		}
	case "keep":
		do = func(_ context.Context, on access.Object) (grants.Lease, string, error) {
			return k.leaseKeep(who, on, c.Person)
		}
	default:
		return nil, fmt.Errorf("muxward does not know %q; the two versions may differ: restart muxward serve", c.Act)
	}
	a.Do = func(ctx context.Context, on access.Object) (gateway.Result, error) {
		if err := knownHand(who, what); err != nil {
			return gateway.Result{}, err
		}
		if on.Kind != access.Pane {
			return gateway.Result{}, fmt.Errorf("%s is a %s; name one pane of it, such as %s:0.0", acts.TargetName(c.Target), on.Kind, acts.TargetName(c.Target))
		}
		l, did, err := do(ctx, on)
		return gateway.Result{Value: k.shownLease(l, who, did)}, err
	}
	return a, nil
}

// meantLease is the lease that is meant where no pane is named: that of a number, or the
// only one whose keyboard the person has.
func (k *Keyboards) meantLease(who identity.Identity, c ctld.Call) (grants.Lease, error) {
	if c.ID != 0 {
		l, ok := k.Leases.Find(c.ID)
		if !ok || !k.Gateway.Holds(who, l.On).Has(access.View) { // that there is one is told to nobody else
			return grants.Lease{}, grants.ErrNoLease
		}
		return l, nil
	}
	if c.Target != "" {
		return grants.Lease{}, nil
	}
	var theirs []grants.Lease
	for _, l := range k.Leases.List() {
		if l.Holder == who.Person() {
			theirs = append(theirs, l)
		}
	}
	if len(theirs) != 1 || c.Act != "lease-hand" && c.Act != "lease-free" {
		return grants.Lease{}, errors.New("name a pane with -t; see: muxward leases")
	}
	return theirs[0], nil
}

// of gives the lease of a pane.
func (k *Keyboards) leaseOf(on access.Object) (grants.Lease, error) {
	l, ok := k.Leases.Of(on)
	if !ok {
		return l, fmt.Errorf("there is no lease on %s; see: muxward lease on --help", acts.TargetName(gateway.Name(on)))
	}
	return l, nil
}

// mayType refuses who may not have the keyboard of a pane, whoever has it now.
func (k *Keyboards) mayType(who identity.Identity, on access.Object) error {
	need := keyboardOf(on)
	if dec := k.Gateway.May(who, need); !dec.Allow {
		return k.Gateway.Refused(who, need, dec)
	}
	return nil
}

// leaseOn turns a lease on. Its holder is who was named, or whoever has turned it on if
// they may type there. They go on with what they do, but if what others have typed may
// still arrive when it returns, they do not have it.
func (k *Keyboards) leaseOn(ctx context.Context, who identity.Identity, on access.Object, c ctld.Call) (grants.Lease, string, error) {
	grace, err := ctld.Length("--grace", c.Within, grants.MinGrace, grants.MaxGrace)
	if err != nil {
		return grants.Lease{}, "", err
	}
	l := grants.Lease{On: on, Target: gateway.Name(on), By: who.Person(), Grace: grace,
		Last: grants.Everybody, Passed: make(chan struct{})}
	switch {
	case c.Person != "":
		if err := k.receiver(who, l, c.Person); err != nil {
			return l, "", err
		}
		l.Holder = c.Person
	case k.mayType(who, on) == nil:
		l.Holder = who.Person()
	}
	keep, err := k.Leases.Change(func(list []grants.Lease) ([]grants.Lease, error) {
		theirs := 0
		for _, old := range list {
			if old.On.Incarnation == on.Incarnation && old.On.Owner == on.Owner && old.On.Pane.ID == on.Pane.ID {
				return nil, fmt.Errorf("there is a lease on it already: %s", old)
			}
			if old.By == l.By {
				theirs++
			}
		}
		if len(list) >= mostInAll {
			return nil, fmt.Errorf("%d leases are on; turn some off", len(list))
		}
		if theirs >= mostLeases {
			return nil, fmt.Errorf("%d leases of yours are on; turn some off", theirs)
		}
		l.ID = grants.NextID(list, k.Gateway.Time())
		return append(list, l), nil
	})
	if err != nil {
		return l, "", err
	}
	l, err = k.passOn(ctx, l, l.Holder, keep)
	return l, "a lease is on: " + keyboard(l), err
}

// leaseOff ends a lease: everybody types there again who may.
func (k *Keyboards) leaseOff(ctx context.Context, on access.Object) (grants.Lease, string, error) {
	l, err := k.leaseOf(on)
	if err != nil {
		return l, "", err
	}
	keep, err := k.Leases.Remove(l.ID)
	if err != nil {
		return l, "", err
	}
	k.askers.done(l.ID, "")
	_, err = k.changed(ctx, on, everybody, keep, "the lease has ended")
	off := "the lease of " + acts.TargetName(l.Target) + " is off"
	k.Displays.Tell(l.On, func(identity.Identity) string { return off })
	return l, off, err
}

// leaseTake takes the keyboard of a pane from whoever has it.
func (k *Keyboards) leaseTake(ctx context.Context, who identity.Identity, on access.Object) (grants.Lease, string, error) {
	l, err := k.leaseOf(on)
	if err == nil {
		err = k.mayType(who, on)
	}
	if err != nil {
		return l, "", err
	}
	l, err = k.take(ctx, l.ID, who.Person())
	return l, keyboard(l), err
}

// leaseAsk has somebody ask for the keyboard of a pane, or have it if it is nobody's.
func (k *Keyboards) leaseAsk(ctx context.Context, who identity.Identity, on access.Object) (grants.Lease, string, error) {
	l, err := k.leaseOf(on)
	if err == nil {
		err = k.mayType(who, on)
	}
	if err != nil {
		return l, "", err
	}
	if l.Holder == who.Person() {
		return l, keyboard(l), nil
	}
	if l.Holder == "" {
		if err := k.paced(who.Person()); err != nil {
			return l, "", err
		}
	}
	errTaken := errors.New("somebody has it")
	got, err := k.pass(ctx, l.ID, who.Person(), func(now grants.Lease) error {
		if now.Holder != "" {
			l = now
			return errTaken
		}
		return nil
	})
	if !errors.Is(err, errTaken) {
		return got, keyboard(got), err
	}
	if err := k.TakesTurn(who); err != nil {
		return l, "", err
	}
	if err := k.askers.add(l.ID, who); err != nil {
		return l, "", err
	}
	k.Displays.Knock()
	return l, keyboard(l) + " and is asked for it", nil
}

// leaseHand hands the keyboard of a pane over to somebody.
func (k *Keyboards) leaseHand(ctx context.Context, who identity.Identity, on access.Object, to string) (grants.Lease, string, error) {
	l, err := k.leaseOf(on)
	if err == nil {
		err = held(l, who)
	}
	if err == nil {
		err = k.receiver(who, l, to)
	}
	if err == nil {
		err = k.paced(who.Person())
	}
	if err != nil {
		return l, "", err
	}
	l, err = k.pass(ctx, l.ID, to, func(now grants.Lease) error { return held(now, who) })
	return l, keyboard(l), err
}

// leaseFree has somebody let go of the keyboard of a pane.
func (k *Keyboards) leaseFree(ctx context.Context, who identity.Identity, on access.Object) (grants.Lease, string, error) {
	l, err := k.leaseOf(on)
	if err == nil {
		err = k.paced(who.Person())
	}
	if err != nil {
		return l, "", err
	}
	l, err = k.pass(ctx, l.ID, "", func(now grants.Lease) error { return held(now, who) })
	return l, keyboard(l), err
}

// leaseKeep has somebody keep the keyboard that another asks for.
func (k *Keyboards) leaseKeep(who identity.Identity, on access.Object, asker string) (grants.Lease, string, error) {
	l, err := k.leaseOf(on)
	if err == nil {
		err = held(l, who)
	}
	if err != nil {
		return l, "", err
	}
	if k.askers.done(l.ID, asker) {
		k.Displays.Tell(l.On, func(by identity.Identity) string {
			if by.Person() != asker {
				return ""
			}
			return l.Holder + " keeps the keyboard of " + acts.TargetName(l.Target)
		})
		k.Displays.Knock()
	}
	return l, keyboard(l), nil
}

// held refuses who does not have the keyboard.
func held(l grants.Lease, who identity.Identity) error {
	if l.Holder != who.Person() {
		return fmt.Errorf("you do not have it: %s", l)
	}
	return nil
}

// receiver refuses who is not to have the keyboard of a pane: who has not asked for it, and
// is not there, or may not type. Which of that it is, is told to who would know by `who`.
func (k *Keyboards) receiver(who identity.Identity, l grants.Lease, person string) error {
	why := fmt.Errorf("%s is not there, and has not asked for it", person)
	for _, to := range append(k.askers.of(l.ID), gateway.Someone(k.Gateway.Who(), person, l.On.Owner)...) {
		if to.Person() != person {
			continue
		}
		dec := k.Gateway.May(to, keyboardOf(l.On))
		if dec.Allow {
			return nil
		}
		why = fmt.Errorf("%s may not type there: %s", person, dec.Reason)
	}
	if lock := (gateway.Need{Verb: access.Lock, Object: l.On}); !k.Gateway.May(who, lock).Allow {
		return fmt.Errorf("%s is not there, or may not type there", person)
	}
	return why
}
