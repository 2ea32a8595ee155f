package policy

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// filesForReuse are policies that differ in all on which what a giver holds may rest.
func filesForReuse(t *testing.T) (sets []*Set) {
	t.Helper()
	const (
		people  = "people: {alice: {uid: 1000}, bob: {}, carol: {}, dave: {}, erin: {}, frank: {}}\n"
		always  = "grants:\n  - {who: bob, verbs: [view, scroll, share], on: alice, reason: r}\n"
		team    = "grants:\n  - {who: \"@oncall\", role: owner, on: alice/work, reason: r, until: 2026-11-24T12:00:00Z, record: must}\n"
		daytime = "grants:\n  - {who: bob, verbs: [view, scroll, share], on: alice, reason: r, when: \"Mon-Fri 09:00-18:00 UTC\"}\n" +
			"  - {who: \"*\", verbs: [view, approve], on: alice/play, reason: r, when: \"Sat-Mon 20:00-04:00 Europe/Berlin\"}\n"
	)
	sometimes := "permit (principal == Person::\"bob\", action in [Action::\"view\", Action::\"share\"], resource) when { context.now < datetime(\"2026-11-23T15:00:00Z\") };\n"
	for _, files := range []map[string]string{
		{grantsFile: daytime},
		{grantsFile: team},
		{grantsFile: always, "f.cedar": sometimes},
		{grantsFile: always, "f.cedar": "forbid (principal in Group::\"oncall\", action == Action::\"share\", resource);\n"},
		{grantsFile: team + "declarations:\n  - {on: alice/work, most: viewer}\n  - {on: alice/play, most: none}\n"},
		{grantsFile: "grants: []\n"},
	} {
		for _, groups := range []string{"groups: {oncall: [erin]}\n", "groups: {oncall: [bob, carol]}\n"} {
			files = maps.Clone(files)
			files[peopleFile] = people + groups
			sets = append(sets, mustLoad(t, files))
		}
	}
	return sets
}

// reuse is an engine that keeps what it has made through all sorts of changes.
type reuse struct {
	r     *rapid.T
	t     *testing.T
	sets  []*Set
	e     *Engine
	list  []*Given
	next  int
	at    time.Time
	taken atomic.Pointer[string]
	was   *Set
}

func (u *reuse) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(u.r, what) }

func (u *reuse) give() {
	people := []string{"alice", "bob", "carol", "dave", "erin", "frank"}
	who := append([]string{"@oncall", "*"}, people[1:]...)
	words := fmt.Sprintf("%d %s gives %s viewer on alice/%s", u.next, people[u.pick(6, "giver")], who[u.pick(7, "who")],
		[]string{"work", "play", "work:1", "work:1.2"}[u.pick(4, "on")])
	edits := []func(*Given){func(*Given) {}, handOn, until(time.Hour), until(26 * time.Hour), from(3 * time.Hour),
		func(g *Given) { g.Approved = true }, func(g *Given) { g.Declared = true },
		func(g *Given) { handOn(g); g.Declared = true }, func(g *Given) { handOn(g); g.Giver.Account, g.Giver.MFA = "x", true },
		func(g *Given) { handOn(g); g.From, g.Until = noon.Add(time.Hour), noon.Add(9*time.Hour) }}
	g := given(u.t, words, edits[u.pick(len(edits), "edit")], edits[u.pick(2, "hands on")])
	u.list, u.next = append(slices.Clone(u.list), g.Ready()), u.next+1
}

func (u *reuse) change() {
	switch what := rapid.SampledFrom([]string{"give", "give", "give", "take", "time", "moment", "reload", "bump", "deny", "past", "ask"}).Draw(u.r, "what"); what {
	case "give":
		u.give()
		u.move()
	case "take":
		if n := len(u.list); n > 0 {
			i := u.pick(n, "which")
			u.list = slices.Delete(slices.Clone(u.list), i, i+1)
			u.move()
		}
	case "time":
		u.at = u.at.Add(time.Duration(rapid.IntRange(-30, 60).Draw(u.r, "half hours")) * 30 * time.Minute)
	case "moment":
		u.at = u.at.Add(time.Duration(u.pick(3000, "ms")) * time.Millisecond)
	case "reload":
		u.e.replace(u.sets[u.pick(len(u.sets), "files")])
	case "bump":
		u.e.Bump()
	case "deny":
		who := []string{"", "alice", "bob", "carol", "erin"}[u.pick(5, "denied")]
		u.taken.Store(&who)
		u.e.Bump() // what is given back counts again once that is said
	case "past":
		u.e.At(u.at.Add(-time.Duration(rapid.IntRange(0, 40).Draw(u.r, "hours ago")) * time.Hour))
	case "ask":
		u.compare()
	}
}

// moving is what is in force; sometimes nobody asks before the next change.
func (u *reuse) move() {
	m := Moving{Given: u.list, At: u.at, Taken: func(person string, _ access.Object) bool { return *u.taken.Load() == person }}
	if u.pick(4, "in advance") == 0 {
		m.At = time.Time{}
	}
	u.e.Move(m)
}

// compare has all that the engine answers be what is answered by what is made anew.
func (u *reuse) compare() {
	cur := u.e.now.Load()
	want := cur.set.with(cur.moving, u.at, nil)
	if len(cur.moving.Given) > 0 {
		kept := cur.set.with(cur.moving, u.at, u.was)
		// When it is found out again may differ: who misses several verbs may miss one of them for good.
		if kept.saysWhose() != want.saysWhose() {
			u.r.Fatalf("at %v kept:\n%s\nmade anew:\n%s", u.at, kept.says(), want.says())
		}
		u.was = kept
	}
	objects := []access.Object{}
	for _, name := range []string{"alice/work", "alice/play", "alice/work:1.2"} {
		sel, err := ParseSelector(name)
		if err != nil {
			u.r.Fatal(err)
		}
		objects = append(objects, sel.Object())
	}
	for _, person := range []string{"alice", "bob", "carol", "dave", "erin", "frank"} {
		for _, o := range objects {
			for _, v := range []access.Verb{access.View, access.Share} {
				q := access.Question{Who: identity.Subject{Person: person, UID: -1, Door: "ctl"}, Verb: v, Object: o, At: u.at}
				got, is := u.e.Decide(q), want.Decide(q)
				if got.Allow != is.Allow {
					u.r.Fatalf("at %v %s %v %v: %+v and made anew %+v", u.at, person, v, o, got, is)
				}
				if got.Allow && !is.Expires.IsZero() && (got.Expires.IsZero() || got.Expires.After(is.Expires.Add(recheck))) {
					// It may say so in vain, as whoever misses several verbs may miss one of them for good.
					q.At = is.Expires
					if then := cur.set.with(cur.moving, q.At, nil).Decide(q); !then.Allow {
						u.r.Fatalf("at %v %s %v %v lasts until %v and made anew until %v", u.at, person, v, o, got.Expires, is.Expires)
					}
				}
			}
		}
	}
}

// TestReusedByEngine: whatever becomes of grants, files, denials and clocks, with what was kept
// the same is answered as by what is made anew for that moment.
func TestReusedByEngine(t *testing.T) {
	sets := filesForReuse(t)
	rapid.Check(t, func(r *rapid.T) {
		u := &reuse{r: r, t: t, sets: sets, next: 1, at: noon}
		nobody := ""
		u.taken.Store(&nobody)
		u.e = EngineOf(sets[u.pick(len(sets), "files")])
		for range rapid.IntRange(1, 25).Draw(r, "changes") {
			u.change()
		}
		u.compare()
	})
}
