package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// TestLockedDown: on what is locked down nobody does anything, those who look on
// look on, and nobody begins to.
func TestLockedDown(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	o := access.Object{Kind: access.Session, Owner: "alice", Incarnation: "one", Session: access.SessionRef{ID: 1, Name: "work"}}
	l, _ := g.begin(context.Background(), bob(t))
	defer l.Release()
	look, join := Need{Verb: access.View, Object: o}, Need{Verb: access.View, Object: o, Join: true}
	typing, whole := Need{Verb: access.Type, Object: o}, Need{Whole: true, Verbs: access.SetOf(access.View), Object: o}
	unlock, every := Need{Verb: access.Lock, Object: o}, Everything(o.Up())
	check := func(when string, allowed ...bool) {
		t.Helper()
		for i, n := range []Need{look, whole, unlock, join, typing, every} {
			if d := l.Decide(n); d.Allow != allowed[i] || !d.Allow && (d.Rule != "lockdown" || d.Reason != "locked down by root: incident") {
				t.Errorf("%s, %s, join %v: %+v", when, n.word(), n.Join, d)
			}
		}
	}
	check("at first", true, true, true, true, true, true)
	deny := func(views bool) {
		t.Helper()
		if err := g.Denials.Add(grants.Denial{Lock: true, Views: views, Scope: o, Target: "alice/work", By: "root", Reason: "incident"}); err != nil {
			t.Fatal(err)
		}
	}
	deny(false)
	check("locked", true, true, true, false, false, false)
	if held := g.Holds(bob(t), o); held.Has(access.Type) || !held.Has(access.View) || !held.Has(access.Lock) {
		t.Errorf("bob holds %v", held)
	}
	if l.Touched(o) || l.Locked(o) == "" {
		t.Error("views are taken, or it is not said that it is locked down")
	}
	deny(true)
	check("with views", false, false, true, false, false, false)
	if !l.Touched(o) {
		t.Error("views are not taken")
	}
	if _, err := g.Denials.Lift(g.Denials.Asked("", "alice/work")); err != nil {
		t.Fatal(err)
	}
	check("unlocked", true, true, true, true, true, true)
}

// fullDisk is a log that cannot be written, and notes for how long each record is waited for.
type fullDisk struct{ waits []time.Duration }

func (l *fullDisk) Append(ctx context.Context, _ access.Class, _ access.Event) (uint64, error) {
	end, _ := ctx.Deadline()
	l.waits = append(l.waits, time.Until(end))
	<-ctx.Done()
	return 0, errors.New("disk full")
}

// performing does acts.
type performing struct{}

func (performing) Execute(ctx context.Context, p *Permit) (Result, error) {
	return p.Request().Act.Do(ctx, p.Plan().Object)
}

// TestUrgent: what freezes what is wrong is done though it cannot be recorded,
// soon and with a word of that; anything else is not done.
func TestUrgent(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	g.Executor = performing{}
	for _, urgent := range []bool{true, false} {
		log, done, patience := &fullDisk{}, false, time.Second
		if g.Log = log; urgent {
			patience = time.Minute // it takes as long as its records are waited for, and no longer
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := g.Handle(ctx, Request{Identity: bob(t), Act: &Act{
			Name: "lockdown", Verb: access.Lock, Urgent: urgent,
			Do: func(context.Context, access.Object) (Result, error) { done = true; return Result{}, nil },
		}})
		cancel()
		if done != urgent || err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("urgent %v: done %v, %v", urgent, done, err)
		}
		if long := func(d time.Duration) bool { return d > UrgentTime }; urgent && (len(log.waits) != 2 || slices.ContainsFunc(log.waits, long)) {
			t.Errorf("its records are waited for %v, each %v at most", log.waits, UrgentTime)
		}
	}
	r.allow.Store(false)
	if _, err := g.Handle(context.Background(), Request{Identity: bob(t), Act: &Act{Name: "lockdown", Verb: access.Lock, Urgent: true,
		Do: func(context.Context, access.Object) (Result, error) { t.Error("done"); return Result{}, nil }}}); err == nil {
		t.Error("it is not refused")
	}
}

// endsLog notes until when each record is waited for, and since when.
type endsLog struct{ ends, begun []time.Time }

func (l *endsLog) Append(ctx context.Context, _ access.Class, _ access.Event) (uint64, error) {
	end, _ := ctx.Deadline()
	l.ends, l.begun = append(l.ends, end), append(l.begun, time.Now())
	return 1, nil
}

// TestUrgentByItsEnd: what is urgent has one end, by which its records go as well.
func TestUrgentByItsEnd(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	log := &endsLog{}
	g.Log, g.Executor = log, performing{}
	ctx, cancel := context.WithTimeout(context.Background(), UrgentTime-leastTime)
	defer cancel()
	end, _ := ctx.Deadline()
	if _, err := g.Handle(ctx, Request{Identity: bob(t), Act: &Act{Name: "lockdown", Verb: access.Lock, Urgent: true,
		Do: func(context.Context, access.Object) (Result, error) { return Result{}, nil }}}); err != nil {
		t.Fatal(err)
	}
	if len(log.ends) != 2 {
		t.Fatalf("%d records", len(log.ends))
	}
	for i, at := range log.ends {
		latest := end.Add(time.Duration(i) * leastTime)
		if at.IsZero() || at.After(latest) && at.Sub(log.begun[i]) > leastTime { // and a late outcome is tried
			t.Errorf("record %d is waited for until %v after the act's end", i, at.Sub(end))
		}
	}
}

// TestActNeedsTheWhole: an act that gives verbs away needs all of them.
func TestActNeedsTheWhole(t *testing.T) {
	g := newGateway(t, &rules{})
	l, ctx := g.begin(context.Background(), bob(t))
	defer l.Release()
	on := access.Object{Kind: access.Server, Owner: "alice"}
	verbs := access.SetOf(access.View, access.Share)
	p, err := g.resolve(ctx, Request{Identity: bob(t), Act: &Act{Name: "grant", Verb: access.Share, Whole: verbs}})
	if err != nil || len(p.Needs) != 2 || !p.Needs[1].Whole || p.Needs[1].Verbs != verbs {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = g.resolve(ctx, Request{Identity: bob(t), Act: &Act{Name: "take-back", Verb: access.Kick, On: []access.Object{on, {}}}})
	if err != nil || len(p.Needs) != 2 || p.Needs[0].Object.Owner != "alice" || p.Needs[1].Object.Kind != access.Host ||
		p.Needs[0].Verb != access.Kick || p.Needs[1].Verb != access.Kick {
		t.Errorf("%+v, %v", p, err)
	}
}

// blindRules is a policy by which nothing is seen of mallory's server.
type blindRules struct{ rules }

func (*blindRules) Blind(_ identity.Subject, o access.Object, _ time.Time) bool {
	return o.Owner == "mallory"
}

// TestReconsiderOn: what is taken on one server has those decided anew who use
// something there, or show what they see there, and nobody else.
func TestReconsiderOn(t *testing.T) {
	r := &blindRules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	who := bob(t)
	var asked []string
	var mu sync.Mutex
	attached := func(owner string) {
		l, _ := g.begin(context.Background(), who)
		t.Cleanup(l.Release)
		if err := l.Keep(func(context.Context, string) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, owner)
			return nil
		}, Attached{Person: "bob", Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	attached("alice")
	attached("mallory")
	attached("")
	running, _ := g.begin(context.Background(), who)
	running.decide(&Plan{Needs: []Need{{Verb: access.View, Object: access.Object{Kind: access.Server, Owner: "carol"}}}})
	t.Cleanup(running.Release)
	listing, _ := g.begin(context.Background(), who)
	listing.look()
	listing.decide(&Plan{Needs: []Need{{Verb: access.View, Object: access.Object{Kind: access.Server, Owner: "alice"}}}})
	t.Cleanup(listing.Release)
	all := func(string) bool { return true }
	for _, tc := range []struct {
		on      access.Object
		touched int
		asked   string
	}{
		{access.Object{}, 5, ",alice,mallory"},
		{access.Object{Kind: access.Server, Owner: "alice"}, 3, ",alice"},
		{pane("mallory"), 2, ",mallory"},
		{pane("carol"), 3, ""},
	} {
		asked = nil
		rep := g.ReconsiderOn(context.Background(), tc.on, all, "test")
		slices.Sort(asked)
		if got := strings.Join(asked, ","); rep.Touched != tc.touched || got != tc.asked {
			t.Errorf("on %v: %d, %q; want %d, %q", tc.on, rep.Touched, got, tc.touched, tc.asked)
		}
	}
	if rep := g.ReconsiderOn(context.Background(), pane("alice"), func(p string) bool { return p != "bob" }, "test"); rep.Touched != 0 {
		t.Errorf("%d of others", rep.Touched)
	}
}

func pane(owner string) access.Object {
	return access.Object{Kind: access.Pane, Owner: owner, Incarnation: "one"}
}

// TestLockedDownUnanswered: a server that does not answer is no way out of a
// lockdown: it is of what was known there last, by ids, and that is said. Anything
// else waits for the server.
func TestLockedDownUnanswered(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	server := &alices{asked: make(chan struct{}, 10), give: make(chan struct{}, 1)}
	g.Servers, g.Log, g.Executor = server, noLog{}, performing{}
	lock := func(target string, urgent bool) (locked access.Object, err error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err = g.Handle(ctx, Request{Identity: bob(t), Act: &Act{
			Name: "lockdown", Target: target, Verb: access.Lock, Urgent: urgent,
			Do: func(_ context.Context, o access.Object) (Result, error) { locked = o; return Result{}, nil },
		}})
		return locked, err
	}
	if o, err := lock("alice/work", true); err == nil || o.Kind != access.Host || !strings.Contains(err.Error(), "-t alice") {
		t.Errorf("nothing is known: %v, %v", o, err)
	}
	server.give <- struct{}{}
	var err error
	if server.known, err = server.Snapshot(context.Background(), tmux.Core); err != nil {
		t.Fatal(err)
	}
	if o, err := lock("alice/work", true); err == nil || o.Kind != access.Session || o.Session.ID != 1 || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("locked %v, %v", o, err)
	}
	if o, err := lock("alice/work", false); err == nil || o.Kind != access.Host {
		t.Errorf("not urgent: %v, %v", o, err)
	}
	server.give <- struct{}{}
	if o, err := lock("alice/work", true); err != nil || o.Session.ID != 1 {
		t.Errorf("it answers: %v, %v", o, err)
	}
}

// noLog takes every event.
type noLog struct{}

func (noLog) Append(context.Context, access.Class, access.Event) (uint64, error) { return 1, nil }

// lowly is a policy by which nobody holds anything on the host, but audit.
type lowly struct{ rules }

func (*lowly) Holds(_ identity.Subject, o access.Object, _ time.Time) access.VerbSet {
	if o.Kind == access.Host {
		return access.SetOf(access.Audit)
	}
	return access.AllVerbs
}

// TestGovernorsArePaced: whoever governs without end waits, and then is refused;
// nobody waits who only asks, nor who may do it to the whole host. Who comes with a code
// is in the same row.
func TestGovernorsArePaced(t *testing.T) {
	r := &lowly{}
	r.allow.Store(true)
	g := newGateway(t, r)
	g.Log, g.Executor = noLog{}, performing{}
	who := bob(t)
	var done atomic.Int64
	act := func(verb access.Verb, open bool, admits func() error) error {
		_, err := g.Handle(context.Background(), Request{Identity: who, Act: &Act{
			Name: "lockdown", Verb: verb, Open: open, Admits: admits,
			Do: func(context.Context, access.Object) (Result, error) { done.Add(1); return Result{}, nil },
		}})
		return err
	}
	rate, began := governPace(), time.Now()
	var refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 3 * (rate.AtOnce + int(rate.ASecond*rate.Longest.Seconds())) {
		verb, admits := access.Lock, (func() error)(nil)
		if i%2 == 0 {
			verb, admits = 0, func() error { return nil }
		}
		wg.Go(func() {
			if err := act(verb, admits != nil, admits); err != nil && strings.Contains(err.Error(), "at once") {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	most := float64(rate.AtOnce) + rate.ASecond*(time.Since(began)+rate.Longest).Seconds()
	if float64(done.Load()) > most || refused.Load() == 0 {
		t.Errorf("%d were done in %v and %d refused", done.Load(), time.Since(began), refused.Load())
	}
	if err := act(access.Lock, true, nil); err != nil {
		t.Errorf("who asks waits: %v", err)
	}
	if err := act(access.Audit, false, nil); err != nil {
		t.Errorf("who keeps the host waits: %v", err)
	}
}
