package gateway

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// eyedRules is a policy by which bob may do everything while somebody watches, and
// others view, and approve the pane %7 of alice's as approve says.
type eyedRules struct {
	rules
	approve map[string]bool
	asking  func(person string) // before it is said who may approve
}

func (e *eyedRules) Decide(q access.Question) access.Decision {
	d := access.Decision{Allow: true, Rule: "test"}
	switch {
	case q.Who.Person == "bob":
		d.Obligations = access.Watched
	case q.Verb == access.Approve:
		d.Allow = e.approve[q.Who.Person] && q.Object.Pane.ID == 7
		if e.asking != nil {
			e.asking(q.Who.Person)
		}
	default:
		d.Allow = q.Verb == access.View
	}
	return d
}

func (e *eyedRules) Covers(who identity.Subject, _ access.VerbSet, _ access.Object, _ time.Time) access.Decision {
	return access.Decision{Allow: who.Person == "bob", Rule: "test", Obligations: access.Watched}
}

func (e *eyedRules) Duties(identity.Subject, access.Object, time.Time) access.Obligations {
	return access.Watched
}

// watchedHost is alice's host by those rules.
func watchedHost(t *testing.T, approve ...string) (*Gateway, *eyedRules) {
	t.Helper()
	r := &eyedRules{approve: map[string]bool{}}
	for _, name := range approve {
		r.approve[name] = true
	}
	g := newGateway(t, r)
	g.Servers = &alices{known: halves()}
	return g, r
}

// at is the pane %7 of alice's, in which bob works.
func at(t *testing.T) access.Object {
	t.Helper()
	o, ok := PaneObject("alice", tmux.Incarnation{}.String(), halves(), 1, 7)
	if !ok {
		t.Fatal("there is no such pane")
	}
	return o
}

// looks has somebody attached, and shown everything.
func looks(t *testing.T, g *Gateway, who identity.Identity) *Live {
	t.Helper()
	l, _ := g.begin(t.Context(), who)
	l.Opens(func(access.Object) (string, bool) { return "/dev/pts/1", true })
	t.Cleanup(l.Release)
	return l
}

// bobs is a permit of bob's in use, with how often it was looked at anew.
func bobs(t *testing.T, g *Gateway) (*Live, *atomic.Int32) {
	t.Helper()
	var again atomic.Int32
	l, _ := g.begin(t.Context(), bob(t))
	if err := l.Keep(func(context.Context, string) error { again.Add(1); return nil }, Attached{Person: "bob", Owner: "alice"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l, &again
}

// TestWhoIsAWatcher: somebody else who may approve, looks at it, and comes from a
// terminal of their own.
func TestWhoIsAWatcher(t *testing.T) {
	for name, tc := range map[string]struct {
		who     string
		from    int
		closed  bool
		counted bool
	}{
		"carol":               {who: "carol", counted: true},
		"carol, away":         {who: "carol", closed: true},
		"from a pane":         {who: "carol", from: inPane},
		"from no terminal":    {who: "carol", from: withoutTerminal},
		"bob himself":         {who: "bob"},
		"who may not approve": {who: "dave"},
		"alice, in her pane":  {who: "alice", from: inPane},
	} {
		g, _ := watchedHost(t, "alice", "bob", "carol")
		l := looks(t, g, comes(t, tc.who, tc.from))
		if tc.closed {
			l.Shuts()
		}
		b, _ := bobs(t, g)
		d := b.Decide(Need{Verb: access.Type, Object: at(t)})
		if d.Allow != tc.counted || !d.Allow && d.Rule != RuleWatcher {
			t.Errorf("%s: %+v", name, d)
		}
	}
	g, _ := watchedHost(t, "carol")
	looks(t, g, identity.Supposed(identity.Subject{Person: "carol", Door: "ssh", UID: -1}))
	if b, _ := bobs(t, g); b.Decide(Need{Verb: access.Type, Object: at(t)}).Allow {
		t.Error("carol watches by no process of this host")
	}
}

// TestWhatIsWatched: what is done, and not what is looked at, given on, or where nothing
// runs yet. What may do anything later is refused.
func TestWhatIsWatched(t *testing.T) {
	pane := at(t)
	server := access.Object{Kind: access.Server, Owner: "alice", Incarnation: pane.Incarnation}
	const free, unseen, never = "", "nobody watches", "a part of it"
	for name, tc := range map[string]struct {
		need Need
		says string
	}{
		"typing":                {Need{Verb: access.Type, Object: pane}, unseen},
		"a layout":              {Need{Verb: access.Layout, Object: pane}, unseen},
		"viewing":               {Need{Verb: access.View, Object: pane}, free},
		"scrolling":             {Need{Verb: access.Scroll, Object: pane}, free},
		"the right to type":     {Need{Verb: access.Type, Object: pane, Apart: true}, free},
		"to give it":            {Need{Whole: true, Verbs: access.SetOf(access.Type), Object: pane}, free},
		"a server to be":        {Need{Verb: access.Spawn, Object: access.Object{Kind: access.Server, Owner: "alice"}}, free},
		"direct input":          {Everything(server), never},
		"a program of a server": {Need{Verb: access.Execute, Object: server}, never},
	} {
		g, _ := watchedHost(t)
		b, _ := bobs(t, g)
		d := b.Decide(tc.need)
		if d.Allow != (tc.says == free) || !strings.Contains(d.Reason, tc.says) {
			t.Errorf("%s: %+v", name, d)
		}
		bound := tc.says == unseen || name == "direct input"
		if b.bound.Load() != bound {
			t.Errorf("%s: bound %t", name, b.bound.Load())
		}
	}
}

// TestWatchedLooksAtWhomItConcerns: when somebody comes or goes, whoever has to be
// watched is looked at anew if that may make a difference to them, and else not: anybody
// who may view could stop others by coming and going.
func TestWatchedLooksAtWhomItConcerns(t *testing.T) {
	g, r := watchedHost(t, "carol", "erin")
	server := access.Object{Kind: access.Server, Owner: "alice", Incarnation: at(t).Incarnation}
	b, again := bobs(t, g)
	comesAndGoes := func(l *Live, want int32, what string) {
		t.Helper()
		before := again.Load()
		if rep := g.Watched(t.Context(), l, server, what); len(rep.Unconfirmed) > 0 || again.Load()-before != want {
			t.Errorf("%s: looked at %d times, want %d: %v", what, again.Load()-before, want, rep.Unconfirmed)
		}
	}
	c := looks(t, g, comes(t, "carol", atTerminal))
	b.Decide(Need{Verb: access.View, Object: at(t)})
	comesAndGoes(c, 0, "bob has only looked")
	if d := b.Decide(Need{Verb: access.Type, Object: at(t)}); !d.Allow {
		t.Fatalf("carol watches: %+v", d)
	}
	comesAndGoes(looks(t, g, comes(t, "dave", atTerminal)), 0, "one who may not approve")
	comesAndGoes(looks(t, g, comes(t, "erin", inPane)), 0, "one in a pane")
	e := looks(t, g, comes(t, "erin", atTerminal))
	comesAndGoes(e, 1, "one who may approve")
	comesAndGoes(c, 1, "carol")
	r.approve["carol"], r.approve["erin"] = false, false
	c.Shuts()
	comesAndGoes(c, 1, "carol, who has counted and may not approve any more")
	comesAndGoes(e, 0, "erin, who has never counted")
}

// TestCountedTooLate: who stops looking on, or loses what it takes, just as they are
// counted for the first time, does not count: who waits for what rests on them may have
// looked a moment before.
func TestCountedTooLate(t *testing.T) {
	for name, ends := range map[string]func(l *Live, r *eyedRules){
		"leaves": func(l *Live, _ *eyedRules) { l.Shuts() },
		"loses":  func(_ *Live, r *eyedRules) { r.approve["carol"] = false },
	} {
		g, r := watchedHost(t, "carol")
		l := looks(t, g, comes(t, "carol", atTerminal))
		r.asking = func(person string) {
			if person == "carol" && !l.counted.Load() {
				ends(l, r)
			}
		}
		if b, _ := bobs(t, g); b.Decide(Need{Verb: access.Type, Object: at(t)}).Allow {
			t.Errorf("%s: bob may type", name)
		}
	}
}

// TestCountedTooLateForTwo: of two who look at the same moment neither rests on the other's
// having looked again.
func TestCountedTooLateForTwo(t *testing.T) {
	g, r := watchedHost(t, "carol")
	looks(t, g, comes(t, "carol", atTerminal))
	b, _ := bobs(t, g)
	looking, goOn := make(chan struct{}), []chan struct{}{make(chan struct{}), make(chan struct{})}
	var looked atomic.Int32
	r.asking = func(person string) {
		if n := int(looked.Add(1)); person == "carol" && n <= len(goOn) {
			looking <- struct{}{}
			<-goOn[n-1]
		}
	}
	types := make(chan bool, len(goOn))
	for range goOn {
		go func() { types <- b.Decide(Need{Verb: access.Type, Object: at(t)}).Allow }()
	}
	for range goOn {
		<-looking
	}
	r.approve["carol"] = false
	for _, next := range goOn {
		close(next)
		if <-types {
			t.Error("bob may type")
		}
	}
}

// TestWatchersAreToldOfWhereTheyAre: of whoever is at a place of their own it is told who
// watches them there, and not at what is active for others.
func TestWatchersAreToldOfWhereTheyAre(t *testing.T) {
	for pane, want := range map[tmux.PaneID]string{0: "carol", 7: "carol", 3: ""} {
		g, _ := watchedHost(t, "carol") // she may approve %7 alone, which is active
		looks(t, g, comes(t, "carol", atTerminal))
		l, _ := bobs(t, g)
		about := Attached{Person: "bob", Owner: "alice", Session: "$1"}
		if pane != 0 {
			about.At, _ = PaneObject("alice", at(t).Incarnation, halves(), 1, pane)
		}
		l.Describe(about)
		all := g.WhoFor(bob(t))
		if len(all) != 1 || !all[0].Bound || strings.Join(all[0].Watchers, ",") != want {
			t.Errorf("%v: %+v, want %q", pane, all, want)
		}
	}
}
