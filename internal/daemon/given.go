package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/policy"
)

// openGrants opens the store of grants. One that is damaged, or cannot be opened,
// ends nothing but the grants in it: they are rights that people do not have then.
func (d *daemon) openGrants(ctx context.Context) {
	now := grants.ClockAt(failpoint.Now())
	d.lately = now
	store, err := grants.OpenStore(ctx, filepath.Join(d.config.State, "grants.db"), now)
	if err != nil {
		d.grantsDamaged = err
		fmt.Fprintln(os.Stderr, "muxward:", err)
		d.event(access.EventAlarm, err.Error())
		return
	}
	d.grants = store
}

// toldFirst is of how many grants it is recorded before muxward goes on what became
// of them; of more it is meanwhile.
const toldFirst = 64

// tellGrants records what opening the store has changed.
func (d *daemon) tellGrants(ctx context.Context) {
	if d.grants == nil {
		return
	}
	list := d.grants.AtStart()
	first := min(len(list), toldFirst)
	d.tellOf(ctx, list[:first])
	if first < len(list) {
		go d.tellOf(d.ctx, list[first:])
	}
	d.tellInvites(ctx)
}

func (d *daemon) tellOf(ctx context.Context, list []grants.Grant) {
	for _, g := range list {
		what := "has ended"
		if g.State == grants.Given {
			what = "ends sooner, because the clock was set back"
		}
		if err := d.recordGrant(ctx, g, what); err != nil {
			fmt.Fprintf(os.Stderr, "muxward: grant %d %s (not recorded: %v)\n", g.ID, what, err)
		}
	}
}

// errNoGrants is all that people are told of a store that cannot be used.
var errNoGrants = errors.New("the store of grants is damaged or cannot be opened, so none counts and nothing is given; " +
	"muxward status tells whoever keeps the host more")

// now is the time by the line's clock.
func (d *daemon) now() grants.Clock { return grants.ClockAt(d.gateway.Time()) }

// grantsWrong says why grants are not kept as they should be, nil if they are.
func (d *daemon) grantsWrong() error {
	if d.grants == nil {
		return d.grantsDamaged
	}
	return d.grants.Fault()
}

// given are the grants that are given now: those of the store but for what was taken
// back and is not written yet. They are not to be changed.
func (d *daemon) given() []*grants.Grant {
	d.moving.Lock()
	defer d.moving.Unlock()
	return d.givenNow()
}

func (d *daemon) givenNow() []*grants.Grant {
	if d.grants == nil {
		return nil
	}
	list := d.grants.List()
	if len(d.taken) > 0 { // invites have numbers of the same row
		list = slices.DeleteFunc(slices.Clone(list), func(g *grants.Grant) bool { return d.taken[g.ID] || d.taken[g.Invite] })
	}
	return list
}

// moveGrants puts the grants in force as they are now. It waits for no disk.
func (d *daemon) moveGrants() {
	d.moving.Lock()
	defer d.moving.Unlock()
	m := policy.Moving{Taken: d.denials.Revoked}
	if d.grants != nil {
		m.Given = d.moved.of(d.givenNow(), d.away.now.Load())
	}
	m.At = d.gateway.Time()
	d.policy.Move(m)
}

// moved are the grants that were put in force last: of ten thousand all but a few are the same
// the next time, and the policy has made of them what it needs.
type moved struct {
	list []*grants.Grant
	made []*policy.Given // of each in the list
}

// of gives grants as the policy has them. Both lists are by the numbers of grants, and one that
// is given is the same in both: see [grants.Store.List]. Away are accounts that are another's by now: what
// was given by who had one of them counts for nothing.
func (m *moved) of(list []*grants.Grant, away *map[tenure]error) []*policy.Given {
	made, given := make([]*policy.Given, len(list)), make([]*policy.Given, 0, len(list))
	old := 0
	for i, g := range list {
		for old < len(m.list) && m.list[old].ID < g.ID {
			old++
		}
		if old < len(m.list) && m.list[old] == g {
			made[i] = m.made[old]
		} else {
			made[i] = inPolicy(g).Ready()
		}
		if h, ok := giver(g.Giver); ok && away != nil && (*away)[h] != nil {
			continue
		}
		given = append(given, made[i])
	}
	m.list, m.made = list, made
	return given
}

// inPolicy is a grant as the policy has it.
func inPolicy(g *grants.Grant) policy.Given {
	return policy.Given{
		ID: numbered(*g), Who: g.Who, What: g.What, Verbs: g.Verbs, On: g.On,
		From: g.NotBefore, Until: g.Until, Reason: g.Reason, Key: g.Key, Giver: g.Giver,
		Approved: g.Source == grants.Approval, Declared: g.Source == grants.Declaration,
	}
}

// counting gives what tells whether a grant counts now.
func (d *daemon) counting() func(grants.Grant) bool {
	now := d.gateway.Time()
	counts := d.policy.At(now).Counts()
	return func(g grants.Grant) bool { return counts[numbered(g)] && d.counts(g, now) }
}

// counts reports whether a grant that counts by the policy does by what else there is.
func (d *daemon) counts(g grants.Grant, now time.Time) bool {
	over := !g.Until.IsZero() && !now.Before(g.Until) // it is taken off the list a few seconds later
	return !now.Before(g.NotBefore) && !over && d.reaches(g)
}

// numbered is the id by which the policy has a grant.
func numbered(g grants.Grant) string { return strconv.FormatInt(g.ID, 10) }

// saysCounts has an act that gives something say whether that counts.
func (d *daemon) saysCounts(a *gateway.Act) *gateway.Act {
	do := a.Do
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		res, err := do(ctx, o)
		if g, ok := res.Value.(grants.Grant); ok && err == nil {
			now := d.gateway.Time()
			res.Value = acts.GrantOf(g, d.policy.At(now).Counting(numbered(g)) && d.counts(g, now))
		}
		return res, err
	}
	return a
}

// reaches reports whether what was given is on something that was there when its
// server was seen last, in this life of that, and not taken from who got it.
func (d *daemon) reaches(g grants.Grant) bool {
	if d.denials.Revoked(g.Who, g.On) {
		return false
	}
	if g.On.Kind < access.Session {
		return true
	}
	s, ok := d.guard.Lookup(g.On.Owner)
	if !ok || s.Incarnation() != g.On.Incarnation {
		return false
	}
	snap := s.Known()
	return snap == nil || gateway.InPlace(g.On, snap)
}

// clockEvery is how often the time is written while a grant has a limit.
const clockEvery = 30 * time.Second

// keepTime minds the time until the end. It waits for the disk of the grants, and so
// nothing else waits for it.
func (d *daemon) keepTime() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-tick.C:
			d.mindTime()
		}
	}
}

// mindTime looks at the clock and at grants whose time is over. What rests on
// them has ended by then, by timers of its own; those run on while the machine
// sleeps, or when the clock is set forward, which is noticed here.
func (d *daemon) mindTime() {
	was, now := d.lately, d.now()
	if passed, ok := now.Since(was); ok {
		d.gateway.NoEarlier(was.Wall.Add(passed))
		now = d.now()
		if jumped := now.Wall.Sub(was.Wall) - passed; jumped > time.Second || passed > 3*lookEvery {
			d.gateway.Reconsider(d.ctx, "", "the clock was set")
			if err := d.keyboards.VoidSuggestions(d.ctx, keyboard.VoidTime); err != nil {
				d.complain("the clock was set: " + err.Error())
			}
		}
	}
	d.lately = now
	if d.grants == nil {
		return
	}
	if over := d.expireGrants(now); len(over) > 0 {
		d.endedByTime(over)
	}
}

// expireGrants takes grants and invites off the lists whose time is over, and gives the grants.
func (d *daemon) expireGrants(now grants.Clock) []grants.Grant {
	if d.granting.Take(d.ctx, grantTurn, errGranting) != nil {
		return nil // others write, and it is looked again soon
	}
	defer d.granting.Leave()
	over, err := d.grants.Expire(d.ctx, now)
	if len(over) > 0 {
		d.moveGrants()
	}
	for _, g := range over {
		if rerr := d.recordGrant(d.ctx, g, "is over"); rerr != nil {
			fmt.Fprintf(os.Stderr, "muxward: grant %d is over (not recorded: %v)\n", g.ID, rerr)
		}
	}
	err = errors.Join(err, d.expireInvites(now))
	if err == nil && (d.grants.Limited() || d.grants.Fault() != nil) && now.Wall.Sub(d.clockWritten) >= clockEvery {
		err = d.grants.Tick(d.ctx, now)
		d.clockWritten = now.Wall
	}
	if err != nil {
		d.complain("keep the grants: " + err.Error())
	}
	return over
}

// endedByTime has those decided anew who had something by grants that are over: what was found out for them and waits
// to be read, as by a client in control mode, has no timer of its own.
func (d *daemon) endedByTime(over []grants.Grant) {
	var those []func(string) bool
	for _, g := range over {
		those = append(those, d.restingOn(g.Who))
	}
	ctx, cancel := context.WithTimeout(d.ctx, revokeTime)
	defer cancel()
	for _, u := range d.gateway.ReconsiderThose(ctx, anyOf(those), "the time is over").Unconfirmed {
		d.complain("a grant is over, not confirmed: " + u)
	}
}

// closeGrants lets go of the store, with the time of the end in it.
func (d *daemon) closeGrants(ctx context.Context) {
	if d.grants == nil {
		return
	}
	if d.gateway != nil && (d.grants.Limited() || d.grants.Fault() != nil) {
		if err := d.grants.Tick(ctx, d.now()); err != nil {
			fmt.Fprintln(os.Stderr, "muxward: keep the grants:", err)
		}
	}
	if err := d.grants.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "muxward: close the grants:", err)
	}
}
