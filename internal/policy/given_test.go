package policy

import (
	"fmt"
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

func moved(t testing.TB, grants string, given ...Given) *Engine {
	t.Helper()
	e := EngineOf(mustLoad(t, map[string]string{peopleFile: peopleOfGiven, grantsFile: grants}))
	e.Move(Moving{Given: given})
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
		e.Move(Moving{Given: without})
		for i, p := range people {
			if got := allowed(t, e, p+" view alice/work:1.2"); got != (i < lost) {
				t.Errorf("without grant %d %s: %v", lost+1, p, got)
			}
		}
		// And so if everything is taken from the giver, on the very object.
		giver := chain[lost].Giver.Person
		e.Move(Moving{Given: chain, Taken: func(person string, o access.Object) bool {
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
	e.Move(Moving{Given: circle})
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
  - {who: bob, verbs: [view, scroll, type, share], on: alice/work, reason: pairs, until: 2026-11-23T13:00:00Z, record: must}
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
			d := e.Decide(q)
			if d.Allow != tc.want {
				t.Errorf("%s after %v: %+v", who, tc.at, d)
			}
			if who == "bob" && tc.expires != 0 && !d.Expires.Equal(noon.Add(tc.expires)) {
				t.Errorf("bob after %v asks again at %v", tc.at, d.Expires)
			}
		}
	}
}

// TestGivenOfOneLife: a grant on a window or pane is on that one. What comes to
// its place, or has its number in the next life of the server, is another.
func TestGivenOfOneLife(t *testing.T) {
	there := access.Object{
		Kind: access.Pane, Owner: "alice", Incarnation: "one",
		Session: access.SessionRef{ID: 1, Name: "work", Index: 1}, Window: access.WindowRef{ID: 7}, Pane: access.PaneRef{ID: 9, Index: 2},
	}
	for _, kind := range []access.Kind{access.Pane, access.Window} {
		e := moved(t, "grants: []\n", given(t, "1 alice gives bob typist on alice/work:1.2", func(g *Given) {
			if g.On = there; kind == access.Window {
				g.On = there.Up()
			}
		}))
		for name, tc := range map[string]struct {
			edit func(*access.Object)
			want bool
		}{
			"it":                     {func(*access.Object) {}, true},
			"another pane there":     {func(o *access.Object) { o.Pane.ID = 10 }, kind == access.Window},
			"another window there":   {func(o *access.Object) { o.Window.ID = 8 }, false},
			"the next life":          {func(o *access.Object) { o.Incarnation = "two" }, false},
			"moved to another index": {func(o *access.Object) { o.Session.Index = 4 }, false},
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
	e.Move(Moving{Given: []Given{given(t, "1 alice gives bob viewer on alice/work", as(1007))}})
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
	e.Move(Moving{Given: []Given{given(t, "1 bob gives carol viewer on alice/work")}})
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

// manyGiven are 1,000 grants beside those of the files.
func manyGiven(t testing.TB) *Engine {
	e := EngineOf(benchSet(t))
	var m Moving
	for i := range 1000 {
		m.Given = append(m.Given, given(t, fmt.Sprintf("%d alice gives %s typist on alice/s%d:%d", i+1, []string{"bob", "carol", "@oncall", "dave"}[i%4], i/4, i%4)))
	}
	m.Taken = func(string, access.Object) bool { return false }
	e.Move(m)
	return e
}

// BenchmarkDecideGiven measures decisions that no cache answers, with 1,000
// grants of the files, 1,000 that were given, and 50 policies.
func BenchmarkDecideGiven(b *testing.B) {
	e := manyGiven(b)
	q := ask(b, "dave view alice/s3:3.1")
	if !e.Decide(q).Allow {
		b.Fatal(e.Decide(q))
	}
	for b.Loop() {
		e.Decide(q)
	}
}

// BenchmarkMove measures what a change costs until the next decision.
func BenchmarkMove(b *testing.B) {
	e := manyGiven(b)
	q := ask(b, "dave view alice/s3:3.1")
	for b.Loop() {
		e.Bump()
		e.Decide(q)
	}
}
