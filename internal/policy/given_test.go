package policy

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

const peopleOfGiven = "people: {alice: {uid: 1000}, bob: {}, carol: {}, dave: {}, erin: {}, frank: {}}\ngroups: {oncall: [erin]}\n"

// given makes a grant from words: "7 alice gives bob typist+share on alice/work".
func given(t testing.TB, words string, edit ...func(*Given)) Given {
	t.Helper()
	var id, giver, who, role, on string
	if _, err := fmt.Sscanf(words, "%s %s gives %s %s on %s", &id, &giver, &who, &role, &on); err != nil {
		t.Fatal(err)
	}
	verbs, ok := access.Role(role).Verbs()
	if !ok {
		v, err := access.ParseVerb(role)
		if err != nil {
			t.Fatal(err)
		}
		verbs = access.SetOf(v)
	}
	sel, err := ParseSelector(on)
	if err != nil {
		t.Fatal(err)
	}
	g := Given{ID: id, Who: who, What: role, Verbs: verbs, On: sel.Object(), Giver: identity.Subject{Person: giver, UID: -1, Door: "ctl"}}
	for _, f := range edit {
		f(&g)
	}
	return g
}

// handOn is what carries a right through several hands.
func handOn(g *Given) { g.Verbs = g.Verbs.With(access.SetOf(access.Share)) }

func until(d time.Duration) func(*Given) { return func(g *Given) { g.Until = noon.Add(d) } }
func from(d time.Duration) func(*Given)  { return func(g *Given) { g.From = noon.Add(d) } }

// these are grants to be put in force.
func these(list ...Given) []*Given {
	out := make([]*Given, len(list))
	for i, g := range list {
		out[i] = g.Ready()
	}
	return out
}

func moved(t testing.TB, grants string, given ...Given) *Engine {
	t.Helper()
	e := EngineOf(mustLoad(t, map[string]string{peopleFile: peopleOfGiven, grantsFile: grants}))
	e.Move(Moving{Given: these(given...)})
	return e
}

func allowed(t testing.TB, e *Engine, words string) bool {
	t.Helper()
	return e.Decide(ask(t, words)).Allow
}

// chain hands viewer and share from alice to frank through five hands.
func chainOfFive(t testing.TB) []Given {
	var out []Given
	people := []string{"alice", "bob", "carol", "dave", "erin", "frank"}
	for i := range 5 {
		out = append(out, given(t, fmt.Sprintf("%d %s gives %s viewer on alice/work", i+1, people[i], people[i+1]), handOn))
	}
	return out
}

// TestChainOfGivers: a right goes through five hands. Whichever of them loses
// it, those behind have it no more, and nobody before.
func TestChainOfGivers(t *testing.T) {
	chain := chainOfFive(t)
	people := []string{"bob", "carol", "dave", "erin", "frank"}
	e := moved(t, "grants: []\n", chain...)
	for _, p := range people {
		if !allowed(t, e, p+" view alice/work:1.2") || allowed(t, e, p+" type alice/work:1.2") || allowed(t, e, p+" view alice/play") {
			t.Errorf("%s: %+v", p, e.Decide(ask(t, p+" view alice/work:1.2")))
		}
	}
	for lost := range chain {
		without := append(append([]Given(nil), chain[:lost]...), chain[lost+1:]...)
		e.Move(Moving{Given: these(without...)})
		for i, p := range people {
			if got := allowed(t, e, p+" view alice/work:1.2"); got != (i < lost) {
				t.Errorf("without grant %d %s: %v", lost+1, p, got)
			}
		}
		// And so if everything is taken from the giver, on the very object.
		giver := chain[lost].Giver.Person
		e.Move(Moving{Given: these(chain...), Taken: func(person string, o access.Object) bool {
			return person == giver && o.Kind == access.Pane && o.Pane.ID == 9
		}})
		for i, p := range people {
			q := ask(t, p+" view alice/work:1.2")
			q.Object.Pane.ID = 9
			if got := e.Decide(q).Allow; got != (i < lost) {
				t.Errorf("when it is taken from %s, %s: %v", giver, p, got)
			}
			q.Object.Pane.ID = 8
			if !e.Decide(q).Allow {
				t.Errorf("when another pane is taken from %s, %s is refused", giver, p)
			}
		}
	}
}

// TestCirclesGiveNothing: people who give to each other what nobody gave them.
func TestCirclesGiveNothing(t *testing.T) {
	circle := []Given{
		given(t, "1 bob gives carol viewer on alice/work", handOn),
		given(t, "2 carol gives dave viewer on alice/work", handOn),
		given(t, "3 dave gives bob viewer on alice/work", handOn),
		given(t, "4 erin gives erin viewer on alice/work", handOn),
	}
	root := given(t, "5 alice gives bob viewer on alice/work", handOn)
	e := moved(t, "grants: []\n", append(circle, root)...)
	for _, p := range []string{"bob", "carol", "dave"} {
		if !allowed(t, e, p+" view alice/work") {
			t.Errorf("%s is refused though alice gave it to bob", p)
		}
	}
	e.Move(Moving{Given: these(circle...)})
	for _, p := range []string{"bob", "carol", "dave", "erin"} {
		if allowed(t, e, p+" view alice/work") {
			t.Errorf("%s has it from nobody", p)
		}
	}
}

// TestTooLongAChain: there is an end to handing on.
func TestTooLongAChain(t *testing.T) {
	var chain []Given
	name := func(i int) string { return fmt.Sprintf("p%d", i) }
	for i := range MaxChain + 2 {
		giver := name(i)
		if i == 0 {
			giver = "alice"
		}
		chain = append(chain, given(t, fmt.Sprintf("%d %s gives %s viewer on alice/work", i+1, giver, name(i+1)), handOn))
	}
	e := moved(t, "grants: []\n", chain...)
	for i := 1; i <= MaxChain+2; i++ {
		if got := allowed(t, e, name(i)+" view alice/work"); got != (i <= MaxChain) {
			t.Errorf("after %d hands: %v", i, got)
		}
	}
}

// TestNoMoreThanTheyHold: what counts is only what the giver holds with the
// right to share it, on the whole of the object, for as long, with their duties.
func TestNoMoreThanTheyHold(t *testing.T) {
	const grants = `grants:
  - {who: bob, verbs: [view, scroll, suggest, type, share], on: alice/work, reason: pairs, until: 2026-11-23T13:00:00Z, record: must}
  - {who: carol, role: operator, on: alice/work, reason: may not share}
  - {who: dave, verbs: [view, share], on: "alice/work:1", reason: one window}
`
	for _, tc := range []struct {
		words string
		asked string
		want  bool
	}{
		{"1 bob gives erin typist on alice/work", "erin type alice/work:1.2", true},
		{"1 bob gives erin typist on alice/work:1.2", "erin type alice/work:1.2", true},
		{"1 bob gives erin operator on alice/work", "erin view alice/work", false},
		{"1 bob gives erin viewer on alice", "erin view alice/work", false},
		{"1 bob gives erin viewer on *", "erin view alice/work", false},
		{"1 bob gives erin share on alice/work", "erin share alice/work", true},
		{"1 carol gives erin viewer on alice/work", "erin view alice/work", false},
		{"1 dave gives erin view on alice/work", "erin view alice/work:1", false},
		{"1 dave gives erin view on alice/work:1", "erin view alice/work:1.2", true},
		{"1 alice gives erin owner on alice", "erin execute alice/work", true},
		{"1 alice gives erin viewer on *", "erin view alice/work", false},
		{"1 bob gives @oncall viewer on alice/work", "erin view alice/work", true},
		{"1 bob gives @oncall viewer on alice/work", "frank view alice/work", false},
	} {
		e := moved(t, grants, given(t, tc.words))
		d := e.Decide(ask(t, tc.asked))
		if d.Allow != tc.want {
			t.Errorf("%s: %s: %+v", tc.words, tc.asked, d)
		}
		if d.Allow && tc.words[2:5] == "bob" && (d.Obligations != access.MustRecord || !d.Expires.Equal(noon.Add(time.Hour))) {
			t.Errorf("%s: it has other duties or lasts longer than bob's: %+v", tc.words, d)
		}
	}
}

// TestGivenAndTime: a grant counts from when until when it says, and no longer
// than its giver's; whoever waits for it learns when to ask again.
func TestGivenAndTime(t *testing.T) {
	e := moved(t, "grants: []\n",
		given(t, "1 alice gives bob viewer on alice/work", handOn, from(10*time.Minute), until(30*time.Minute)),
		given(t, "2 bob gives carol viewer on alice/work", until(time.Hour)))
	for _, tc := range []struct {
		at, expires time.Duration
		want        bool
	}{
		{0, 10 * time.Minute, false},
		{10*time.Minute - 1, 10 * time.Minute, false},
		{10 * time.Minute, 30 * time.Minute, true},
		{30*time.Minute - 1, 30 * time.Minute, true},
		{30 * time.Minute, 0, false},
		{2 * time.Hour, 0, false},
	} {
		for _, who := range []string{"bob", "carol"} {
			q := ask(t, who+" view alice/work")
			q.At = noon.Add(tc.at)
			e.At(q.At) // it is found out what counts
			d := e.Decide(q)
			if d.Allow != tc.want {
				t.Errorf("%s after %v: %+v", who, tc.at, d)
			}
			if tc.expires != 0 && !d.Expires.Equal(noon.Add(tc.expires)) {
				t.Errorf("%s after %v asks again at %v", who, tc.at, d.Expires)
			}
		}
	}
}

// TestAskedAboutTomorrow: somebody asks about a time at which more counts. That puts
// nothing in force for now.
func TestAskedAboutTomorrow(t *testing.T) {
	e := moved(t, "grants: []\n",
		given(t, "1 alice gives bob viewer on alice/work", handOn, from(10*time.Minute)),
		given(t, "2 bob gives carol viewer on alice/work"))
	for _, at := range []time.Duration{0, 24 * time.Hour, 0, 10 * time.Minute, 0} {
		q := ask(t, "carol view alice/work")
		q.At = noon.Add(at)
		if d := e.Decide(q); d.Allow != (at > 0) {
			t.Errorf("after %v: %+v", at, d)
		}
	}
}

// TestBeginsWithDuties: what bob gave begins to count together with bob's right, and
// has to be recorded. Who may look on already learns when to ask again.
func TestBeginsWithDuties(t *testing.T) {
	e := moved(t, "grants:\n  - {who: bob, verbs: [view, scroll], on: alice/work, record: must, reason: r}\n"+
		"  - {who: \"@oncall\", role: viewer, on: alice/work, reason: r}\n",
		given(t, "1 alice gives bob share on alice/work", from(10*time.Minute)),
		given(t, "2 bob gives @oncall viewer on alice/work"))
	q := ask(t, "erin view alice/work")
	if d := e.Decide(q); !d.Allow || d.Obligations != 0 || !d.Expires.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("before: %+v", d)
	}
	if d := e.Decide(ask(t, "dave view alice/work")); !d.Expires.IsZero() {
		t.Errorf("dave, whom it does not concern: %+v", d)
	}
	q.At = noon.Add(10 * time.Minute)
	e.At(q.At)
	if d := e.Decide(q); !d.Allow || d.Obligations != access.MustRecord {
		t.Errorf("then: %+v", d)
	}
}

// TestNobodyWaitsForGrants: while it is found out anew what counts, who was let
// through is let through, but for what has ended and what was taken meanwhile.
func TestNobodyWaitsForGrants(t *testing.T) {
	e := moved(t, "grants: []\n")
	var taken atomic.Bool
	e.Move(Moving{At: noon, Given: these(
		given(t, "1 alice gives bob viewer on alice/work", handOn),
		given(t, "2 bob gives carol viewer on alice/work"),
		given(t, "3 alice gives dave viewer on alice/work", until(time.Minute)),
		given(t, "4 alice gives dave view on alice/play", handOn, until(time.Minute)),
		given(t, "5 dave gives erin view on alice/play"),
	), Taken: func(person string, _ access.Object) bool { return person == "bob" && taken.Load() }})
	e.At(noon)
	e.Bump()
	cur := e.now.Load()
	cur.mu.Lock() // somebody finds out
	if !allowed(t, e, "carol view alice/work") || !allowed(t, e, "alice view alice/work") {
		t.Error("they are refused")
	}
	if d := e.Decide(ask(t, "bob view alice/work")); !d.Expires.Equal(noon.Add(recheck)) {
		t.Errorf("bob asks again at %v", d.Expires)
	}
	taken.Store(true)
	answers := make(chan bool, 3)
	for _, words := range []string{"carol view alice/work", "dave view alice/work", "erin view alice/play"} {
		q := ask(t, words)
		if q.Who.Person != "carol" {
			q.At = noon.Add(time.Minute)
		}
		go func() { answers <- e.Decide(q).Allow }()
	}
	cur.mu.Unlock()
	for range cap(answers) {
		if <-answers {
			t.Error("let through by what has ended")
		}
	}
}

// TestGoneBeforeItIsWorkedOut: a grant is taken back. It counts no more from the
// moment on at which that is being worked out, nor does what came from who had it.
func TestGoneBeforeItIsWorkedOut(t *testing.T) {
	e := moved(t, "grants: []\n")
	all := these(
		given(t, "1 alice gives @oncall viewer on alice/work", handOn), // erin
		given(t, "2 erin gives carol viewer on alice/work"),
		given(t, "3 alice gives dave viewer on alice/work"),
	)
	e.Move(Moving{At: noon, Given: all})
	e.At(noon)
	w := e.now.Load().whole.Load()
	w.set.doubts(all, all[1:]) // Move begins
	for words, want := range map[string]bool{
		"erin view alice/work": false, "carol view alice/work": false, "dave view alice/work": true, "alice view alice/work": true,
	} {
		if got := w.set.Decide(ask(t, words)).Allow; got != want {
			t.Errorf("%s: %v", words, got)
		}
	}
	w.set.doubts(all[1:], all[1:2]) // and another takes back more meanwhile
	if w.set.Decide(ask(t, "dave view alice/work")).Allow || w.set.Decide(ask(t, "erin view alice/work")).Allow {
		t.Error("dave or erin is let through")
	}
	gen := e.Generation()
	e.Move(Moving{At: noon, Given: all[1:]})
	if allowed(t, e, "carol view alice/work") || !allowed(t, e, "dave view alice/work") || e.Generation() <= gen {
		t.Error("after that it is not as given")
	}
}

// TestCounts: what a giver has lost on the object counts for nothing, and is not
// said to count.
func TestCounts(t *testing.T) {
	e := moved(t, "grants:\n  - {who: bob, verbs: [view, scroll, share], on: alice, reason: r}\n")
	var taken atomic.Bool
	e.Move(Moving{At: noon, Given: these(
		given(t, "1 bob gives carol viewer on alice/work"),
		given(t, "2 alice gives carol viewer on alice/play"),
		given(t, "3 carol gives dave viewer on alice/play"),
	), Taken: func(person string, o access.Object) bool {
		return taken.Load() && person == "bob" && o.Session.Name == "work"
	}})
	for _, want := range []string{"map[1:true 2:true]", "map[2:true]"} {
		if got := fmt.Sprint(e.At(noon).Counts()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := allowed(t, e, "carol view alice/work:1.2"); got == taken.Load() {
			t.Errorf("it is taken from bob: %v; carol has it: %v", taken.Load(), got)
		}
		taken.Store(true)
	}
}

// TestGivenOfOneLife: a grant on a session, window or pane is on that one. What comes to
// its place, or has its number in the next life of the server, is another.
func TestGivenOfOneLife(t *testing.T) {
	there := access.Object{
		Kind: access.Pane, Owner: "alice", Incarnation: "one",
		Session: access.SessionRef{ID: 1, Name: "work", Index: 1}, Window: access.WindowRef{ID: 7}, Pane: access.PaneRef{ID: 9, Index: 2},
	}
	for _, kind := range []access.Kind{access.Pane, access.Window, access.Session} {
		e := moved(t, "grants: []\n", given(t, "1 alice gives bob typist on alice/work:1.2", func(g *Given) {
			for g.On = there; g.On.Kind > kind; g.On = g.On.Up() {
			}
		}))
		for name, tc := range map[string]struct {
			edit func(*access.Object)
			want bool
		}{
			"it":                     {func(*access.Object) {}, true},
			"another pane there":     {func(o *access.Object) { o.Pane.ID = 10 }, kind != access.Pane},
			"another window there":   {func(o *access.Object) { o.Window.ID = 8 }, kind == access.Session},
			"another of that name":   {func(o *access.Object) { o.Session.ID = 2 }, kind != access.Session},
			"the next life":          {func(o *access.Object) { o.Incarnation = "two" }, false},
			"moved to another index": {func(o *access.Object) { o.Session.Index = 4 }, kind == access.Session},
			"moved away":             {func(o *access.Object) { o.Session.Name = "private" }, false},
		} {
			q := ask(t, "bob type alice/work:1.2")
			q.Object = there
			tc.edit(&q.Object)
			if got := e.Decide(q).Allow; got != tc.want {
				t.Errorf("%v, %s: %v", kind, name, got)
			}
		}
	}
}

// TestWhoGaveIsSomebodyElse: the giver's uid is another person's now, or their
// name is; what they gave does not pass to the new one's responsibility.
func TestWhoGaveIsSomebodyElse(t *testing.T) {
	as := func(uid int64) func(*Given) {
		return func(g *Given) { g.Giver.UID, g.Giver.Account = uid, "alice" }
	}
	e := moved(t, "grants: []\n", given(t, "1 alice gives bob viewer on alice/work", as(1000)))
	if !allowed(t, e, "bob view alice/work") {
		t.Error("refused though alice is who she was")
	}
	e.Move(Moving{Given: these(given(t, "1 alice gives bob viewer on alice/work", as(1007)))})
	if allowed(t, e, "bob view alice/work") {
		t.Error("another uid gave it")
	}
}

// TestReloadEndsChains: a reload that takes the right from the giver takes it
// from who has it from them, and gives it back with it.
func TestReloadEndsChains(t *testing.T) {
	holds := map[string]string{peopleFile: peopleOfGiven, grantsFile: "grants:\n  - {who: bob, verbs: [view, scroll, share], on: alice, reason: r}\n"}
	lost := map[string]string{peopleFile: peopleOfGiven}
	forbidden := map[string]string{peopleFile: peopleOfGiven, grantsFile: holds[grantsFile], "f.cedar": "forbid (principal == Person::\"bob\", action == Action::\"share\", resource);\n"}
	e := EngineOf(mustLoad(t, holds))
	e.Move(Moving{Given: these(given(t, "1 bob gives carol viewer on alice/work"))})
	gen := e.Generation()
	for i, step := range []struct {
		files map[string]string
		want  bool
	}{{holds, true}, {lost, false}, {holds, true}, {forbidden, false}, {holds, true}} {
		if err := e.Reload(writeDir(t, step.files)); err != nil {
			t.Fatal(err)
		}
		if got := allowed(t, e, "carol view alice/work"); got != step.want || e.Generation() <= gen {
			t.Errorf("step %d: %v in generation %d", i, got, e.Generation())
		}
		gen = e.Generation()
	}
}

// manyGiven are as many grants beside those of the files.
func manyGiven(t testing.TB, n int) (*Engine, Moving) {
	e := EngineOf(benchSet(t))
	m := Moving{At: noon, Taken: func(string, access.Object) bool { return false }}
	for i := range n {
		m.Given = append(m.Given, given(t, fmt.Sprintf("%d alice gives %s typist on alice/s%d:%d", i+1, []string{"bob", "carol", "@oncall", "dave"}[i%4], i/4, i%4)).Ready())
	}
	e.Move(m)
	e.At(noon)
	return e, m
}

// BenchmarkDecideGiven measures decisions that no cache answers, with 1,000
// grants of the files, 1,000 that were given, and 50 policies.
func BenchmarkDecideGiven(b *testing.B) {
	e, _ := manyGiven(b, 1000)
	q := ask(b, "dave view alice/s3:3.1")
	if !e.Decide(q).Allow {
		b.Fatal(e.Decide(q))
	}
	for b.Loop() {
		e.Decide(q)
	}
}

// BenchmarkMove measures what a change costs until all of it is known.
func BenchmarkMove(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, m := manyGiven(b, n)
			less := m
			less.Given = m.Given[:n-1]
			b.ReportAllocs()
			for b.Loop() { // one is taken back, and given again
				e.Move(less)
				e.At(noon)
				e.Move(m)
				e.At(noon)
			}
		})
	}
}

// TestBoundToKey: what is bound to a key is its person's who comes with that key, and
// at no door with another, or with none.
func TestBoundToKey(t *testing.T) {
	e := moved(t, "grants: []\n", given(t, "1 alice gives bob typist on alice/work", func(g *Given) { g.Key = "SHA256:one" }))
	for key, want := range map[string]bool{"SHA256:one": true, "SHA256:two": false, "": false} {
		q := ask(t, "bob type alice/work:1.2")
		q.Who.Key = key
		holds := e.Holds(q.Who, q.Object, q.At).Has(access.Type)
		covers := e.Covers(q.Who, access.SetOf(access.Type), q.Object, q.At).Allow
		if got := e.Decide(q).Allow; got != want || holds != want || covers != want {
			t.Errorf("with the key %q: %v, holds %v, covers %v", key, got, holds, covers)
		}
	}
}

// TestApprovedCountsByApprove: what was given because it was asked for counts while its
// giver holds it and approve, whether or not they may share it; what was given
// without that takes share.
func TestApprovedCountsByApprove(t *testing.T) {
	approved := func(g *Given) { g.Approved = true }
	for name, tc := range map[string]struct {
		held, words string
		edit        []func(*Given)
		want        bool
	}{
		"approved by who may approve": {"view, approve", "1 bob gives carol view on alice/work", []func(*Given){approved}, true},
		"given by who may approve":    {"view, approve", "1 bob gives carol view on alice/work", nil, false},
		"approved by who may share":   {"view, share", "1 bob gives carol view on alice/work", []func(*Given){approved}, false},
		"more than is held":           {"view, approve", "1 bob gives carol type on alice/work", []func(*Given){approved}, false},
		"on more than is held":        {"view, approve", "1 bob gives carol view on alice", []func(*Given){approved}, false},
	} {
		files := "grants:\n- {who: bob, verbs: [" + tc.held + "], on: alice/work, reason: holds}\n"
		e := moved(t, files, given(t, tc.words, tc.edit...))
		verb := "view"
		if strings.Contains(tc.words, " type ") {
			verb = "type"
		}
		if got := allowed(t, e, "carol "+verb+" alice/work"); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
