package given

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/settle"
)

// grantTurn is how long whoever gives something waits for those who give something
// just then.
const grantTurn = 3 * time.Second

// errGranting is what they hear then.
var errGranting = errors.New("the grants are being written by others; try again")

// InForce puts a grant in force that was given.
func (b *Book) InForce(ctx context.Context, g grants.Grant) {
	b.Move()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	b.Gateway.ReconsiderGiven(ctx, access.Object{}, b.holding(g.Who), "something was granted")
}

// Find gives a grant that is given now.
func (b *Book) Find(id int64) (grants.Grant, bool) {
	list := b.all()
	i := slices.IndexFunc(list, func(g *grants.Grant) bool { return g.ID == id })
	if i < 0 {
		return grants.Grant{}, false
	}
	return *list[i], true
}

// TakeBackAct ends a grant. Its giver has to hold share or kick still on what it is
// about, or approve for what they have approved; anybody else needs kick. A lockdown takes
// share: what was given can be taken back all the same by who may kick.
func (b *Book) TakeBackAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	if b.store == nil {
		return nil, errNoGrants
	}
	a := &gateway.Act{Name: "take-back", Args: acts.WithReason([]string{strconv.FormatInt(c.ID, 10)}, c.Reason), Verb: access.Kick}
	g, ok := b.Find(c.ID)
	if !ok || !b.Concerns(who, g) {
		// Who may not know of a grant is told what they would be told of none. That
		// they tried is on record.
		a.Open = true
		a.Do = func(context.Context, access.Object) (gateway.Result, error) {
			return gateway.Result{}, errNoGrant(c.ID)
		}
		return a, nil
	}
	a.On = []access.Object{g.On}
	if g.Giver.Person == who.Person() && !b.Gateway.Holds(who, g.On).Has(access.Kick) {
		a.Verb = access.Share
		if g.Source == grants.Approval { // who said yes needs no share for that, nor to take it back
			a.Verb = access.Approve
		}
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		return b.takeBack(ctx, g, who.Person(), c.Reason)
	}
	return a, nil
}

func errNoGrant(id int64) error { return fmt.Errorf("there is no grant %d; see: muxward grants", id) }

// takeBack ends a grant and returns when what rests on it has ended. It counts no
// more before anybody waits for anything; the disk works meanwhile.
func (b *Book) takeBack(ctx context.Context, g grants.Grant, by, why string) (gateway.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	failpoint.At("take-back")
	if !b.drop(g.ID, b.isGiven) {
		return gateway.Result{}, errNoGrant(g.ID)
	}
	whose := b.RestingOn(g.Who) // behind that: what they have given on until then is found, and counts no more
	g, rep, err := dropped(ctx, b, g, func() (grants.Grant, error) { return b.writeTakenBack(g, by, why) },
		func() gateway.Report { return b.Gateway.ReconsiderThose(ctx, whose, "a grant was taken back") },
		fmt.Sprintf("grant %d is taken back", g.ID))
	return gateway.Result{Value: acts.TakenBack{Grant: acts.GrantOf(g, false), Report: rep}}, err
}

// dropped puts in force that something was dropped, has it written meanwhile, and ends
// what rested on it. It gives what was written, or what it was if that takes longer than
// ctx.
func dropped[T any](ctx context.Context, b *Book, was T, write func() (T, error), end func() gateway.Report, what string) (T, gateway.Report, error) {
	b.Move()
	type written struct {
		value T
		err   error
	}
	kept := make(chan written, 1)
	b.Go(func() {
		value, err := write()
		kept <- written{value, err}
	})
	rep := end()
	var err error
	select {
	case w := <-kept:
		was, err = w.value, w.err
	case <-ctx.Done():
		err = errors.New(what + " now, but that is not on disk yet: it may be there again after a restart")
	}
	for _, u := range rep.Unconfirmed {
		err = errors.Join(err, errors.New("not confirmed: "+u))
	}
	return was, rep, errors.Join(err, b.Void(ctx))
}

// drop has a grant count no more, or an invite open nothing and what came by it count no
// more, and reports whether it was there.
func (b *Book) drop(id int64, there func(int64) bool) bool {
	b.moving.Lock()
	defer b.moving.Unlock()
	if !there(id) || b.taken[id] {
		return false
	}
	b.taken[id] = true
	return true
}

// writeTakenBack writes and records what holds already, however long the disk takes.
func (b *Book) writeTakenBack(g grants.Grant, by, why string) (grants.Grant, error) {
	var ended grants.Grant
	var err error
	b.writeDropped(g.ID, b.isGiven, func() { ended, err = b.store.TakeBack(context.Background(), g.ID, by, why, b.now()) })
	if ended.ID == 0 { // its time was over meanwhile
		ended = g
	}
	return ended, errors.Join(err, b.recordGrant(context.Background(), ended, "taken back"))
}

// writeDropped writes that something was dropped, in its turn, and forgets that when the
// store has it.
func (b *Book) writeDropped(id int64, there func(int64) bool, write func()) {
	b.granting <- struct{}{} // nobody waits for this but who can do without
	write()
	b.granting.Leave()
	b.moving.Lock()
	defer b.moving.Unlock()
	if !there(id) {
		delete(b.taken, id)
	}
}

// isGiven and isInvite report whether the store has a grant, or an invite, of this number.
func (b *Book) isGiven(id int64) bool {
	_, ok := b.store.Find(id)
	return ok
}

func (b *Book) isInvite(id int64) bool {
	_, ok := b.store.FindInvite(id)
	return ok
}
