package daemon

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
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/server/ctld"
)

// grantTurn is how long whoever gives something waits for those who give something
// just then.
const grantTurn = 3 * time.Second

// errGranting is what they hear then.
var errGranting = errors.New("the grants are being written by others; try again")

// inForce puts a grant in force that was given.
func (d *daemon) inForce(ctx context.Context, g grants.Grant) {
	d.moveGrants()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	d.gateway.ReconsiderGiven(ctx, access.Object{}, d.holding(g.Who), "something was granted")
}

// find gives a grant that is given now.
func (d *daemon) find(id int64) (grants.Grant, bool) {
	list := d.given()
	i := slices.IndexFunc(list, func(g *grants.Grant) bool { return g.ID == id })
	if i < 0 {
		return grants.Grant{}, false
	}
	return *list[i], true
}

// takeBackAct ends a grant. Its giver has to hold share or kick still on what it is
// about, or approve for what they have approved; anybody else needs kick. A lockdown takes
// share: what was given can be taken back all the same by who may kick.
func (d *daemon) takeBackAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	if d.grants == nil {
		return nil, errNoGrants
	}
	a := &gateway.Act{Name: "take-back", Args: acts.WithReason([]string{strconv.FormatInt(c.ID, 10)}, c.Reason), Verb: access.Kick}
	g, ok := d.find(c.ID)
	if !ok || !d.concerns(who, g) {
		// Who may not know of a grant is told what they would be told of none. That
		// they tried is on record.
		a.Open = true
		a.Do = func(context.Context, access.Object) (gateway.Result, error) {
			return gateway.Result{}, errNoGrant(c.ID)
		}
		return a, nil
	}
	a.On = []access.Object{g.On}
	if g.Giver.Person == who.Person() && !d.holds(who, g.On).Has(access.Kick) {
		a.Verb = access.Share
		if g.Source == grants.Approval { // who said yes needs no share for that, nor to take it back
			a.Verb = access.Approve
		}
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		return d.takeBack(ctx, g, who.Person(), c.Reason)
	}
	return a, nil
}

func errNoGrant(id int64) error { return fmt.Errorf("there is no grant %d; see: muxward grants", id) }

// takeBack ends a grant and returns when what rests on it has ended. It counts no
// more before anybody waits for anything; the disk works meanwhile.
func (d *daemon) takeBack(ctx context.Context, g grants.Grant, by, why string) (gateway.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	failpoint.At("take-back")
	if !d.drop(g.ID, d.isGiven) {
		return gateway.Result{}, errNoGrant(g.ID)
	}
	whose := d.restingOn(g.Who) // behind that: what they have given on until then is found, and counts no more
	g, rep, err := dropped(ctx, d, g, func() (grants.Grant, error) { return d.writeTakenBack(g, by, why) },
		func() gateway.Report { return d.gateway.ReconsiderThose(ctx, whose, "a grant was taken back") },
		fmt.Sprintf("grant %d is taken back", g.ID))
	return gateway.Result{Value: acts.TakenBack{Grant: acts.GrantOf(g, false), Report: rep}}, err
}

// dropped puts in force that something was dropped, has it written meanwhile, and ends
// what rested on it. It gives what was written, or what it was if that takes longer than
// ctx.
func dropped[T any](ctx context.Context, d *daemon, was T, write func() (T, error), end func() gateway.Report, what string) (T, gateway.Report, error) {
	d.moveGrants()
	type written struct {
		value T
		err   error
	}
	kept := make(chan written, 1)
	d.wg.Go(func() {
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
	return was, rep, errors.Join(err, d.keyboards.VoidSuggestions(ctx, keyboard.VoidTime))
}

// drop has a grant count no more, or an invite open nothing and what came by it count no
// more, and reports whether it was there.
func (d *daemon) drop(id int64, there func(int64) bool) bool {
	d.moving.Lock()
	defer d.moving.Unlock()
	if !there(id) || d.taken[id] {
		return false
	}
	d.taken[id] = true
	return true
}

// writeTakenBack writes and records what holds already, however long the disk takes.
func (d *daemon) writeTakenBack(g grants.Grant, by, why string) (grants.Grant, error) {
	var ended grants.Grant
	var err error
	d.writeDropped(g.ID, d.isGiven, func() { ended, err = d.grants.TakeBack(context.Background(), g.ID, by, why, d.now()) })
	if ended.ID == 0 { // its time was over meanwhile
		ended = g
	}
	return ended, errors.Join(err, d.recordGrant(context.Background(), ended, "taken back"))
}

// writeDropped writes that something was dropped, in its turn, and forgets that when the
// store has it.
func (d *daemon) writeDropped(id int64, there func(int64) bool, write func()) {
	d.granting <- struct{}{} // nobody waits for this but who can do without
	write()
	d.granting.Leave()
	d.moving.Lock()
	defer d.moving.Unlock()
	if !there(id) {
		delete(d.taken, id)
	}
}

// isGiven and isInvite report whether the store has a grant, or an invite, of this number.
func (d *daemon) isGiven(id int64) bool {
	_, ok := d.grants.Find(id)
	return ok
}

func (d *daemon) isInvite(id int64) bool {
	_, ok := d.grants.FindInvite(id)
	return ok
}
