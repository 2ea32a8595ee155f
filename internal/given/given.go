package given

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/settle"
)

// toldFirst is of how many grants it is recorded before muxward goes on what became
// of them; of more it is meanwhile.
const toldFirst = 64

// TellStart records what opening the store has changed.
func (b *Book) TellStart(ctx context.Context) {
	if b.store == nil {
		return
	}
	list := b.store.AtStart()
	first := min(len(list), toldFirst)
	b.tellOf(ctx, list[:first])
	if first < len(list) {
		go b.tellOf(b.Ctx, list[first:])
	}
	b.tellInvites(ctx)
}

func (b *Book) tellOf(ctx context.Context, list []grants.Grant) {
	for _, g := range list {
		what := "has ended"
		if g.State == grants.Given {
			what = "ends sooner, because the clock was set back"
		}
		if err := b.recordGrant(ctx, g, what); err != nil {
			fmt.Fprintf(os.Stderr, "muxward: grant %d %s (not recorded: %v)\n", g.ID, what, err)
		}
	}
}

// errNoGrants is all that people are told of a store that cannot be used.
var errNoGrants = errors.New("the store of grants is damaged or cannot be opened, so none counts and nothing is given; " +
	"muxward status tells whoever keeps the host more")

// Usable says why nothing can be given, nil if it can.
func (b *Book) Usable() error {
	if b.store == nil {
		return errNoGrants
	}
	return nil
}

// now is the time by the line's clock.
func (b *Book) now() grants.Clock { return grants.ClockAt(b.Gateway.Time()) }

// Wrong says why grants are not kept as they should be, nil if they are.
func (b *Book) Wrong() error {
	if b.store == nil {
		return b.damaged
	}
	return b.store.Fault()
}

// all are the grants that are given now: those of the store but for what was taken
// back and is not written yet. They are not to be changed.
func (b *Book) all() []*grants.Grant {
	b.moving.Lock()
	defer b.moving.Unlock()
	return b.givenNow()
}

// Givers are those who gave what is given now, and who made the invites that there are.
func (b *Book) Givers() iter.Seq[identity.Subject] {
	return func(yield func(identity.Subject) bool) {
		if b.store == nil {
			return
		}
		for _, g := range b.all() {
			if !yield(g.Giver) {
				return
			}
		}
		for _, v := range b.store.Invites() {
			if !yield(v.Giver) {
				return
			}
		}
	}
}

// Gave reports whether something is from a person.
func (b *Book) Gave(person string) bool { return b.store != nil && b.store.Gave(person) }

func (b *Book) givenNow() []*grants.Grant {
	if b.store == nil {
		return nil
	}
	list := b.store.List()
	if len(b.taken) > 0 { // invites have numbers of the same row
		list = slices.DeleteFunc(slices.Clone(list), func(g *grants.Grant) bool { return b.taken[g.ID] || b.taken[g.Invite] })
	}
	return list
}

// Move puts the grants in force as they are now. It waits for no disk.
func (b *Book) Move() {
	b.moving.Lock()
	defer b.moving.Unlock()
	m := policy.Moving{Taken: b.Revoked}
	if b.store != nil {
		m.Given = b.moved.of(b.givenNow(), b.Away())
	}
	m.At = b.Gateway.Time()
	b.Policy.Move(m)
}

// moved are the grants that were put in force last: of ten thousand all but a few are the same
// the next time, and the policy has made of them what it needs.
type moved struct {
	list []*grants.Grant
	made []*policy.Given // of each in the list
}

// of gives grants as the policy has them. Both lists are by the numbers of grants, and one that
// is given is the same in both: see [grants.Store.List]. What was given by who gave it by an account that is
// another's by now counts for nothing.
func (m *moved) of(list []*grants.Grant, away func(giver identity.Subject) bool) []*policy.Given {
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
		if away != nil && away(g.Giver) {
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
func (b *Book) counting() func(grants.Grant) bool {
	now := b.Gateway.Time()
	counts := b.Policy.At(now).Counts()
	return func(g grants.Grant) bool { return counts[numbered(g)] && b.counts(g, now) }
}

// counts reports whether a grant that counts by the policy does by what else there is.
func (b *Book) counts(g grants.Grant, now time.Time) bool {
	over := !g.Until.IsZero() && !now.Before(g.Until) // it is taken off the list a few seconds later
	return !now.Before(g.NotBefore) && !over && b.reaches(g)
}

// numbered is the id by which the policy has a grant.
func numbered(g grants.Grant) string { return strconv.FormatInt(g.ID, 10) }

// saysCounts has an act that gives something say whether that counts.
func (b *Book) saysCounts(a *gateway.Act) *gateway.Act {
	do := a.Do
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		res, err := do(ctx, o)
		if g, ok := res.Value.(grants.Grant); ok && err == nil {
			now := b.Gateway.Time()
			res.Value = acts.GrantOf(g, b.Policy.At(now).Counting(numbered(g)) && b.counts(g, now))
		}
		return res, err
	}
	return a
}

// reaches reports whether what was given is on something that was there when its
// server was seen last, in this life of that, and not taken from who got it.
func (b *Book) reaches(g grants.Grant) bool {
	if b.Revoked(g.Who, g.On) {
		return false
	}
	if g.On.Kind < access.Session {
		return true
	}
	s := b.Servers.Server(g.On.Owner)
	if s == nil || s.Incarnation() != g.On.Incarnation {
		return false
	}
	snap := s.Known()
	return snap == nil || gateway.InPlace(g.On, snap)
}

// clockEvery is how often the time is written while a grant has a limit.
const clockEvery = 30 * time.Second

// KeepTime minds the time until the end. It waits for the disk of the grants, and so
// nothing else waits for it.
func (b *Book) KeepTime() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.Ctx.Done():
			return
		case <-tick.C:
			b.mindTime()
		}
	}
}

// mindTime looks at the clock and at grants whose time is over. What rests on
// them has ended by then, by timers of its own; those run on while the machine
// sleeps, or when the clock is set forward, which is noticed here.
func (b *Book) mindTime() {
	was, now := b.lately, b.now()
	if passed, ok := now.Since(was); ok {
		b.Gateway.NoEarlier(was.Wall.Add(passed))
		now = b.now()
		if jumped := now.Wall.Sub(was.Wall) - passed; jumped > time.Second || passed > 3*lookEvery {
			b.Gateway.Reconsider(b.Ctx, "", "the clock was set")
			if err := b.Void(b.Ctx); err != nil {
				b.Complain("the clock was set: " + err.Error())
			}
		}
	}
	b.lately = now
	if b.store == nil {
		return
	}
	if over := b.expireGrants(now); len(over) > 0 {
		b.endedByTime(over)
	}
}

// expireGrants takes grants and invites off the lists whose time is over, and gives the grants.
func (b *Book) expireGrants(now grants.Clock) []grants.Grant {
	if b.granting.Take(b.Ctx, grantTurn, errGranting) != nil {
		return nil // others write, and it is looked again soon
	}
	defer b.granting.Leave()
	over, err := b.store.Expire(b.Ctx, now)
	if len(over) > 0 {
		b.Move()
	}
	for _, g := range over {
		if rerr := b.recordGrant(b.Ctx, g, "is over"); rerr != nil {
			fmt.Fprintf(os.Stderr, "muxward: grant %d is over (not recorded: %v)\n", g.ID, rerr)
		}
	}
	err = errors.Join(err, b.expireInvites(now))
	if err == nil && (b.store.Limited() || b.store.Fault() != nil) && now.Wall.Sub(b.clockWritten) >= clockEvery {
		err = b.store.Tick(b.Ctx, now)
		b.clockWritten = now.Wall
	}
	if err != nil {
		b.Complain("keep the grants: " + err.Error())
	}
	return over
}

// endedByTime has those decided anew who had something by grants that are over: what was found out for them and waits
// to be read, as by a client in control mode, has no timer of its own.
func (b *Book) endedByTime(over []grants.Grant) {
	var those []func(string) bool
	for _, g := range over {
		those = append(those, b.RestingOn(g.Who))
	}
	ctx, cancel := context.WithTimeout(b.Ctx, settle.Time)
	defer cancel()
	for _, u := range b.Gateway.ReconsiderThose(ctx, anyOf(those), "the time is over").Unconfirmed {
		b.Complain("a grant is over, not confirmed: " + u)
	}
}

// Close lets go of the store, with the time of the end in it.
func (b *Book) Close(ctx context.Context) {
	if b.store == nil {
		return
	}
	if b.Gateway != nil && (b.store.Limited() || b.store.Fault() != nil) {
		if err := b.store.Tick(ctx, b.now()); err != nil {
			fmt.Fprintln(os.Stderr, "muxward: keep the grants:", err)
		}
	}
	if err := b.store.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "muxward: close the grants:", err)
	}
}
