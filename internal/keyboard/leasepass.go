package keyboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/settle"
)

// passPace is how often one person has a keyboard go to another: each time somebody is
// decided anew.
func passPace() pace.Rate { return pace.Rate{AtOnce: 20, ASecond: 1, Longest: time.Millisecond} }

// paced refuses who hands keyboards over, lets them go, or has free ones, without end.
func (k *Keyboards) paced(person string) error {
	if _, ok := k.passing.Take(passPace(), person, 1, time.Now()); !ok {
		return errors.New("keyboards went to and from you much in a short time; wait a little")
	}
	return nil
}

func everybody(string) bool { return true }

// changed returns when what was typed by those whom about names, and they may not type any
// more by a change of a lease, is there or thrown away, and the change is written. sure
// says that of the first; keep is nil if there is nothing to be written.
func (k *Keyboards) changed(ctx context.Context, pane access.Object, about func(string) bool, keep func() error, why string) (sure bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	if keep == nil {
		keep = func() error { return nil }
	}
	rep, err := settle.Wait(ctx, keep, func() gateway.Report {
		return k.Gateway.ReconsiderOn(ctx, pane, about, why)
	})
	k.Displays.Knock()
	return len(rep.Unconfirmed) == 0, err
}

// errPassing is said to who comes when the keyboard goes from one to the other.
var errPassing = errors.New("the keyboard goes from one to another just then; try again")

// errHas ends what has been done already.
var errHas = errors.New("they have it")

// pass gives the keyboard of a pane to somebody, "" for nobody, if may says so by how the
// lease is then, and tells those who look on. Who has it types no more before the next one
// does: meanwhile nobody has it, also on disk, and that stays so if it cannot be confirmed.
func (k *Keyboards) pass(ctx context.Context, id int64, to string, may func(grants.Lease) error) (grants.Lease, error) {
	var was, now grants.Lease
	keep, err := k.Leases.Edit(id, func(l *grants.Lease) error {
		if err := may(*l); err != nil {
			return err
		}
		if l.Passed != nil {
			return errPassing
		}
		if was, now = *l, *l; l.Holder == to && l.Last == "" {
			return errHas
		}
		if l.Holder != "" {
			l.Last = l.Holder
		}
		l.Holder, l.Gone, l.Passed = "", time.Time{}, make(chan struct{})
		now = *l
		return nil
	})
	if errors.Is(err, errHas) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	if was.Holder == "" {
		keep = nil
	}
	return k.passOn(ctx, now, to, keep)
}

// passOn is the rest of pass: of a lease whose keyboard is on its way.
func (k *Keyboards) passOn(ctx context.Context, l grants.Lease, to string, keep func() error) (grants.Lease, error) {
	sure, err := k.changed(ctx, l.On, func(person string) bool {
		return person == l.Last || l.Last == grants.Everybody && person != l.Holder
	}, keep, l.String())
	now, late := k.passed(ctx, l, to, sure)
	if err = errors.Join(err, late); !sure && late == nil {
		err = fmt.Errorf("nobody has the keyboard, as somebody's bytes may still arrive; take it, or ask for it, again: %w", err)
	}
	if now.Holder != "" {
		k.askers.done(now.ID, now.Holder)
	}
	if late == nil {
		k.tellLease(now)
	}
	return now, err
}

// passed is the end of passOn. Whoever is to have it may have lost that meanwhile: they are
// asked about before the leases are held, as each key may wait for those. Who takes it at
// that very moment was asked about just then.
func (k *Keyboards) passed(ctx context.Context, was grants.Lease, to string, sure bool) (now grants.Lease, err error) {
	if l, still := k.Leases.Find(was.ID); still && l.Next != "" {
		to = l.Next
	}
	may := to != "" && k.mayHold(to, was.On, k.Gateway.Who())
	now = was
	keep, err := k.Leases.Edit(was.ID, func(l *grants.Lease) error {
		if l.Next != "" && l.Next != to {
			to, may = l.Next, true
		}
		if sure {
			l.Last = ""
		}
		if !sure || !may {
			to = ""
		}
		l.Holder, l.Next, l.Passed = to, "", nil
		now = *l
		return nil
	})
	close(was.Passed)
	if err != nil || now.Holder == was.Holder {
		return now, err
	}
	// Who has it may have tmux run something by itself again; who had it when a lease was
	// turned on may not.
	_, err = k.changed(ctx, now.On, func(person string) bool {
		return person == now.Holder || person == was.Holder
	}, keep, now.String())
	return now, err
}

// take is pass for who may take the keyboard from everybody: if it is on its way to
// somebody else just then, it comes to them.
func (k *Keyboards) take(ctx context.Context, id int64, person string) (grants.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*settle.Time)
	defer cancel()
	for {
		l, err := k.pass(ctx, id, person, func(grants.Lease) error { return nil })
		if !errors.Is(err, errPassing) {
			return l, err
		}
		var passed chan struct{}
		_, err = k.Leases.Edit(id, func(l *grants.Lease) error {
			if passed = l.Passed; passed != nil {
				l.Next = person
			}
			return nil
		})
		if err != nil {
			return l, err
		}
		if passed == nil {
			continue
		}
		select {
		case <-passed:
		case <-ctx.Done():
			return l, fmt.Errorf("the keyboard is on its way for long; see muxward leases: %w", ctx.Err())
		}
	}
}
