package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// says is all that a policy with moving grants answers from, as text.
func (s *Set) says() string { return fmt.Sprint(s.saysWhose(), s.limit, s.waiting) }

// saysWhose is says without when it has to be found out again.
func (s *Set) saysWhose() string {
	var who []string
	for name, h := range s.moving.by {
		var all []string
		for _, g := range h.all {
			all = append(all, fmt.Sprint(g.named, g.said, g.what, g.verbs, g.until, g.duties, g.givers))
		}
		n := 0
		for _, at := range h.exact {
			n += len(at)
		}
		who = append(who, fmt.Sprint(name, all, n, h.touched, h.host, len(h.reach), h.taken != nil, h.doubt == &s.doubt))
	}
	slices.Sort(who)
	return fmt.Sprint(who, s.Counts())
}

// TestReusedGrants: what is made of grants is kept from one change to the next, and is what it
// would be if it were made anew each time, whatever was given and taken back in between.
func TestReusedGrants(t *testing.T) {
	set := mustLoad(t, map[string]string{peopleFile: peopleOfGiven,
		grantsFile: "grants:\n  - {who: bob, verbs: [view, scroll, share], on: alice, reason: r, when: \"Mon-Fri 09:00-18:00 UTC\"}\n"})
	rapid.Check(t, func(r *rapid.T) {
		var list []*Given
		var was *Set
		next, at := 1, noon
		reused := 0
		for range rapid.IntRange(1, 12).Draw(r, "changes") {
			switch what := rapid.SampledFrom([]string{"give", "give", "give", "take", "time", "again"}).Draw(r, "what"); {
			case what == "give":
				people := []string{"alice", "bob", "carol", "dave", "erin"}
				who := append([]string{"@oncall"}, people[1:]...)
				words := fmt.Sprintf("%d %s gives %s viewer on alice/%s", next, rapid.SampledFrom(people).Draw(r, "giver"),
					rapid.SampledFrom(who).Draw(r, "who"), rapid.SampledFrom([]string{"work", "play", "work:1"}).Draw(r, "on"))
				edit := []func(*Given){func(*Given) {}, handOn, until(time.Hour), until(26 * time.Hour)}[rapid.IntRange(0, 3).Draw(r, "edit")]
				where := rapid.IntRange(0, len(list)).Draw(r, "where")
				list, next = slices.Insert(slices.Clone(list), where, given(t, words, edit).Ready()), next+1
			case what == "take" && len(list) > 0:
				i := rapid.IntRange(0, len(list)-1).Draw(r, "which")
				list = slices.Delete(slices.Clone(list), i, i+1)
			case what == "time":
				at = at.Add(time.Duration(rapid.IntRange(1, 30).Draw(r, "hours")) * time.Hour)
			case what == "again" && len(list) > 0: // the same grant, made anew
				list = slices.Clone(list)
				list[0] = (*list[0]).Ready()
			}
			m := Moving{Given: list}
			got, want := set.with(m, at, was), set.with(m, at, nil)
			if len(list) == 0 {
				was = nil
				continue
			}
			if got.says() != want.says() {
				r.Fatalf("kept:\n%s\nmade anew:\n%s", got.says(), want.says())
			}
			if was != nil {
				for _, g := range got.given {
					if slices.Contains(was.given, g) {
						reused++
					}
				}
			}
			was = got
		}
		r.Logf("%d kept", reused)
	})
}

// TestKeepsWhatStays: of many grants all but what has changed are kept.
func TestKeepsWhatStays(t *testing.T) {
	e, m := manyGiven(t, 400)
	e.Move(m)
	was := e.At(noon)
	less := m
	less.Given = slices.Delete(slices.Clone(m.Given), 10, 11)
	e.Move(less)
	now := e.At(noon)
	kept := 0
	for _, g := range now.given {
		if slices.Contains(was.given, g) {
			kept++
		}
	}
	if kept != 399 {
		t.Errorf("%d of 399 are kept", kept)
	}
	same := 0
	for who, h := range now.moving.by {
		if h.belongings == was.moving.by[who].belongings {
			same++
		}
	}
	if same != 3 {
		t.Errorf("%d of the 3 to whom nothing has changed have what they had", same)
	}
}

// TestKeepsWhatIsElsewhere: what has moved among others, with many new ones between them, is kept too.
func TestKeepsWhatIsElsewhere(t *testing.T) {
	e, m := manyGiven(t, 400)
	half := m
	half.Given = m.Given[200:]
	e.Move(half)
	was := e.At(noon)
	mixed := m
	mixed.Given = nil
	for i := range 200 {
		mixed.Given = append(mixed.Given, m.Given[i], m.Given[399-i])
	}
	for i, f := range was.fatesOf(mixed.Given) {
		if known := i%2 == 1; known != (f.grant != nil) {
			t.Fatalf("number %d of those, which was there before: %v, is known: %v", i, known, f.grant != nil)
		}
	}
}
