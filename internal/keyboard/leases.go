package keyboard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/settle"
	"github.com/muxward/muxward/internal/tmux"
)

// askers are those who ask for the keyboard of panes, by the numbers of the leases. Who
// asks has not to be there when they are given it: their rights are looked at then.
type askers struct {
	mu  sync.Mutex
	all map[int64][]identity.Identity
}

// mostAskers is how many ask for one keyboard.
const mostAskers = 20

func (a *askers) add(lease int64, who identity.Identity) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(a.all[lease]), func(by identity.Identity) bool { return by.Person() == who.Person() })
	if len(list) >= mostAskers {
		return errors.New("many ask for it already; wait until it is handed over")
	}
	if a.all == nil {
		a.all = map[int64][]identity.Identity{}
	}
	a.all[lease] = append(list, who)
	return nil
}

func (a *askers) of(lease int64) []identity.Identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all[lease])
}

// done forgets that somebody asks, and reports whether they did; "" are all.
func (a *askers) done(lease int64, person string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.all[lease]
	left := slices.DeleteFunc(slices.Clone(was), func(by identity.Identity) bool { return person == "" || by.Person() == person })
	if a.all != nil {
		a.all[lease] = left
	}
	if len(left) == 0 {
		delete(a.all, lease)
	}
	return len(left) < len(was)
}

// keyboardOf is what it takes to have the keyboard of a pane, whoever has it now.
func keyboardOf(pane access.Object) gateway.Need {
	return gateway.Need{Verb: access.Type, Object: pane, Apart: true}
}

// tellLease tells those who look at a pane who has its keyboard now.
func (k *Keyboards) tellLease(l grants.Lease) {
	k.Displays.Tell(l.On, func(who identity.Identity) string {
		text := keyboard(l)
		if l.Holder != "" && who.Person() == l.Holder {
			text = "you have the keyboard of " + acts.TargetName(l.Target)
		}
		if l.Line != "" && l.Line != l.Holder {
			text += "; " + l.Line + " has begun a line there"
		}
		return text
	})
}

// keyboard says who has the keyboard of a pane.
func keyboard(l grants.Lease) string {
	if l.Holder == "" {
		return "nobody has the keyboard of " + acts.TargetName(l.Target)
	}
	return l.Holder + " has the keyboard of " + acts.TargetName(l.Target)
}

// MindLeases has leases end with their panes, and be free when their holders have left,
// or may not type there any more. A server that is slow holds up no other.
func (k *Keyboards) MindLeases() {
	tick := time.NewTicker(minded)
	defer tick.Stop()
	var busy sync.Map // the owners whose leases are looked at still
	for {
		select {
		case <-k.Ctx.Done():
			return
		case <-tick.C:
		}
		on := map[string][]grants.Lease{}
		for _, l := range k.Leases.List() {
			on[l.On.Owner] = append(on[l.On.Owner], l)
		}
		k.forOwners(&busy, maps.Keys(on), func(owner string) { k.mindLeasesOf(owner, on[owner]) })
	}
}

// forOwners does something for each of some owners beside each other, and nothing for
// whom it is done still: a server that is slow holds up no other.
func (k *Keyboards) forOwners(busy *sync.Map, owners iter.Seq[string], do func(owner string)) {
	for owner := range owners {
		if _, still := busy.LoadOrStore(owner, true); !still {
			k.Go(func() {
				defer busy.Delete(owner)
				do(owner)
			})
		}
	}
}

// mindLeasesOf is about one server. One that does not answer has its leases as they are:
// nothing is typed there. Those of one that has ended end: they are among the leases that
// there may be in all.
func (k *Keyboards) mindLeasesOf(owner string, list []grants.Lease) {
	ctx, cancel := context.WithTimeout(k.Ctx, minded)
	defer cancel()
	server := k.Servers.Server(owner)
	if server == nil {
		if k.Servers.AllKnown() { // asked after it was not found: muxward itself may end just then
			for _, l := range list {
				k.endLease(l, "its tmux server has ended")
			}
		}
		return
	}
	snap, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return
	}
	people := k.Gateway.Who()
	for _, l := range list {
		now, there := paneNow(l.On, server.Incarnation(), snap)
		if !there {
			k.endLease(l, "its pane has gone")
			continue
		}
		k.mindLease(l, now, snap, people)
	}
}

// paneNow is a pane where it lies now.
func paneNow(pane access.Object, incarnation string, snap *tmux.Snapshot) (access.Object, bool) {
	id := tmux.PaneID(pane.Pane.ID)
	p := snap.Pane(id)
	if p == nil || pane.Incarnation != incarnation {
		return access.Object{}, false
	}
	if o, ok := gateway.PaneObject(pane.Owner, incarnation, snap, tmux.SessionID(pane.Session.ID), id); ok {
		return o, true
	}
	for _, s := range snap.SessionsOf(p.Window) {
		if o, ok := gateway.PaneObject(pane.Owner, incarnation, snap, s.ID, id); ok {
			return o, true
		}
	}
	return access.Object{}, false
}

// mindLease looks whether the holder of a lease is there, among the people who are
// attached, and may type.
func (k *Keyboards) mindLease(l grants.Lease, pane access.Object, snap *tmux.Snapshot, people []gateway.Attached) {
	there, at := l.Holder == "" || gateway.There(people, l.Holder, pane, snap), k.Gateway.Time()
	switch {
	case l.Holder == "":
	case !k.mayHold(l.Holder, pane, people):
		k.freeLease(l, l.Holder+" may not type there any more", same(l))
		return
	case !there && !l.Gone.IsZero() && at.Sub(l.Gone) >= l.Grace:
		k.freeLease(l, l.Holder+" has left", func(now grants.Lease) error {
			if gateway.There(k.Gateway.Who(), l.Holder, pane, snap) {
				return grants.ErrNoLease // they have come back just then
			}
			return same(l)(now)
		})
		return
	}
	if there == l.Gone.IsZero() && gateway.Name(pane) == l.Target {
		return
	}
	_, _ = k.Leases.Edit(l.ID, func(now *grants.Lease) error { // it may have ended just then
		now.On, now.Target = pane, gateway.Name(pane)
		switch {
		case now.Holder != l.Holder: // somebody else has just been given it
		case there:
			now.Gone = time.Time{}
		case now.Gone.IsZero():
			now.Gone = at
		}
		return nil
	})
}

// mayHold reports whether somebody may type into a pane, apart from who types there now.
// A lockdown is no reason to take it, nor is muxward's end. Who has left is asked about by
// their name.
func (k *Keyboards) mayHold(person string, pane access.Object, people []gateway.Attached) bool {
	if k.Revoked(person, pane) {
		return false
	}
	there := gateway.Someone(people, person, pane.Owner)
	if len(there) == 0 {
		who := identity.Subject{Person: person, UID: -1}
		return k.Policy.Holds(who, pane, k.Gateway.Time()).Has(access.Type)
	}
	return slices.ContainsFunc(there, func(who identity.Identity) bool {
		dec := k.Gateway.May(who, keyboardOf(pane))
		return dec.Allow || dec.Rule == gateway.RuleLockdown || dec.Rule == gateway.RuleEnd
	})
}

// FreeRevoked has leases be free from whose holders everything was taken there. They type
// there no more, so nobody is waited for.
func (k *Keyboards) FreeRevoked() {
	for _, was := range k.Leases.List() {
		if was.Holder == "" || !k.Revoked(was.Holder, was.On) {
			continue
		}
		l := was
		l.Holder, l.Gone = "", time.Time{}
		keep, err := k.Leases.Edit(was.ID, func(now *grants.Lease) error {
			if err := same(was)(*now); err != nil {
				return err
			}
			now.Holder, now.Gone, now.Last = "", time.Time{}, was.Holder
			return nil
		})
		if err == nil {
			k.tellLease(l)
			k.Go(func() {
				ctx, cancel := context.WithTimeout(k.Ctx, settle.Time)
				defer cancel()
				_, err := settle.Wait(ctx, keep, func() gateway.Report { return gateway.Report{} })
				k.freed(l, was.Holder+" is revoked", err)
			})
		}
	}
}

// freeLease has the keyboard be nobody's that is still somebody's who lost it.
func (k *Keyboards) freeLease(was grants.Lease, why string, may func(grants.Lease) error) {
	l, err := k.pass(k.Ctx, was.ID, "", may)
	if errors.Is(err, grants.ErrNoLease) || errors.Is(err, errPassing) {
		return
	}
	k.freed(l, why, err)
}

// same has a lease changed only while its holder is still the same.
func same(was grants.Lease) func(grants.Lease) error {
	return func(now grants.Lease) error {
		if now.Holder != was.Holder {
			return grants.ErrNoLease
		}
		return nil
	}
}

// freed writes that the keyboard of a pane is nobody's now, and what went wrong with that.
func (k *Keyboards) freed(l grants.Lease, why string, err error) {
	k.recordLease(l, why)
	if err != nil {
		k.Complain(fmt.Sprintf("%s: %v", keyboard(l), err))
	}
}

// endLease ends the lease of a pane that is not there any more. Whom it kept from having
// tmux run something by itself is decided anew, which the others' panes do not wait for.
func (k *Keyboards) endLease(l grants.Lease, why string) {
	keep, err := k.Leases.Remove(l.ID)
	if err != nil {
		return // somebody was quicker
	}
	k.askers.done(l.ID, "")
	k.recordLease(l, why+"; the lease has ended")
	k.Go(func() {
		if _, err := k.changed(k.Ctx, l.On, everybody, keep, why); err != nil {
			k.Complain("the end of a lease: " + err.Error())
		}
	})
}

// recordLease writes what became of a lease without anybody having done it.
func (k *Keyboards) recordLease(l grants.Lease, why string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.Ctx), settle.Record)
	defer cancel()
	_, err := k.Log.Append(ctx, access.BestEffortClass, access.Event{
		Kind: access.EventLease, Time: k.Gateway.Time(), Person: l.Holder, Allowed: true,
		Objects: []string{l.On.String()}, Server: l.On.Owner + "#" + l.On.Incarnation,
		Note: keyboard(l) + ": " + why,
	})
	if err != nil {
		k.Complain(fmt.Sprintf("%s: %s (not recorded: %v)", keyboard(l), why, err))
	}
}

func (k *Keyboards) shownLease(l grants.Lease, who identity.Identity, did string) acts.ShownLease {
	s := acts.LeaseOf(l)
	s.Mine, s.Did = l.Holder == who.Person(), did
	if !l.Gone.IsZero() {
		s.Left = max(l.Grace-k.Gateway.Time().Sub(l.Gone), 0).Round(time.Second).String()
	}
	for _, by := range k.askers.of(l.ID) {
		s.Asks = append(s.Asks, by.Person())
	}
	return s
}

// VisibleLeases lists the leases of panes that the asker may view.
func (k *Keyboards) VisibleLeases(who identity.Identity) []acts.ShownLease {
	out := []acts.ShownLease{}
	for _, l := range k.Leases.List() {
		if k.Gateway.Holds(who, l.On).Has(access.View) {
			out = append(out, k.shownLease(l, who, ""))
		}
	}
	return out
}

// LeaseWaits are the people who ask somebody for a keyboard that they have.
func (k *Keyboards) LeaseWaits(who identity.Identity) []executor.Waits {
	var out []executor.Waits
	for _, l := range k.Leases.List() {
		if l.Holder == "" || l.Holder != who.Person() || who.Inside() != "" {
			continue
		}
		for _, by := range k.askers.of(l.ID) {
			w := executor.Waits{
				ID: leaseID("hand", l.ID, by.Person()), From: by.Person(), Need: gateway.Need{Verb: access.View, Object: l.On},
				Text: "asks for the keyboard of " + acts.TargetName(l.Target), How: "see muxward leases", Alone: true,
			}
			if !gateway.OwnHand(who) { // to whom it goes they say by nothing that is proved
				w.ID, w.Text = leaseID("free", l.ID, by.Person()), w.Text+": let it go"
			}
			out = append(out, w)
		}
	}
	return out
}

// LeaseOffers is what somebody may do who would type into a pane whose keyboard is
// another's.
func (k *Keyboards) LeaseOffers(who identity.Identity, pane access.Object) []executor.Waits {
	l, ok := k.Leases.Of(pane)
	if !ok || who.Person() == l.Holder || who.Inside() != "" || !k.Gateway.May(who, keyboardOf(l.On)).Allow {
		return nil
	}
	view := gateway.Need{Verb: access.View, Object: l.On}
	if l.Holder == "" {
		return []executor.Waits{{ID: leaseID("ask", l.ID, ""), From: "nobody", Need: view, Alone: true,
			Text: "has the keyboard of " + acts.TargetName(l.Target) + ": have it"}}
	}
	text := "has the keyboard of " + acts.TargetName(l.Target)
	out := []executor.Waits{{ID: leaseID("ask", l.ID, ""), From: l.Holder, Text: text + ": ask for it", Need: view, Alone: true}}
	if lock := (gateway.Need{Verb: access.Lock, Object: l.On}); k.Gateway.May(who, lock).Allow {
		out = append(out, executor.Waits{ID: leaseID("take", l.ID, ""), From: l.Holder, Text: text + ": take it", Need: lock, Alone: true})
	}
	return out
}

// leaseID names what is offered about a lease.
func leaseID(what string, lease int64, person string) string {
	return fmt.Sprintf("lease-%s %d %s", what, lease, person)
}

// LeaseCall gives the call by which somebody answers what has such a name, and whether it is one.
func LeaseCall(id string, yes bool) (ctld.Call, bool) {
	var c ctld.Call
	if !strings.HasPrefix(id, "lease-") {
		return c, false
	}
	what, rest, _ := strings.Cut(id, " ")
	if n, _ := fmt.Sscanf(rest, "%d %s", &c.ID, &c.Person); n == 0 {
		return c, false
	}
	c.Act = what
	if !yes {
		c.Act = "lease-keep"
	}
	return c, true
}
