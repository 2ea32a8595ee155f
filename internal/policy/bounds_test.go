package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

// DO-06: however many grants there are, a question looks at those that hold
// its object and at no others, and keeps nothing.
func TestManyGrantsCostNothing(t *testing.T) {
	const n = 100_000
	grants := make([]*grant, n)
	for i := range grants {
		sel := Selector{Kind: access.Window, Owner: fmt.Sprintf("p%d", i%100), Session: fmt.Sprintf("s%d", i/100), Window: i % 7}
		if i%10 == 0 {
			sel = Selector{Kind: access.Session, Owner: "alice", Session: fmt.Sprintf("lab%d-", i), Prefix: true}
		}
		grants[i] = &grant{who: []string{"bob", "*", "@oncall"}[i%3], verbs: access.AllVerbs, on: sel}
	}
	ix := newIndex(grants, nil)
	for _, o := range []access.Object{
		{Kind: access.Pane, Owner: "p1", Session: access.SessionRef{Name: "s5", Index: 501 % 7}},
		{Kind: access.Pane, Owner: "alice", Session: access.SessionRef{Name: "lab990-x"}},
		{Kind: access.Pane, Owner: "alice", Session: access.SessionRef{Name: strings.Repeat("x", 10_000)}},
		{Kind: access.Server, Owner: "p1"},
	} {
		visited := 0
		for _, h := range ix.holders("bob", []string{"oncall"}) {
			h.visit(o, func(*grant) { visited++ })
		}
		if visited > 3 {
			t.Errorf("%v: %d grants looked at", o, visited)
		}
		for _, h := range ix.by {
			if tries := len(h.lengths[o.Owner]); tries > maxSession {
				t.Errorf("%v: %d beginnings tried", o, tries)
			}
		}
	}
}

// A listing asks for all verbs on many objects: nothing may pile up.
func TestListingsKeepNothing(t *testing.T) {
	s := benchSet(t)
	for _, who := range []string{"alice", "bob", "mallory"} {
		q := ask(t, who+" view alice/s10:1.2")
		s.Holds(q.Who, q.Object, q.At)
		if n := testing.AllocsPerRun(100, func() { s.Holds(q.Who, q.Object, q.At) }); n > 8 {
			t.Errorf("%s: %v allocations for one object", who, n)
		}
	}
}

// Patterns full of stars end.
func TestLikeBombs(t *testing.T) {
	pattern := strings.Repeat("*a", 200) + "*b"
	s := mustLoad(t, map[string]string{"r.cedar": "permit (principal, action, resource) when { resource has session && resource.session like \"" + pattern + "\" };\n"})
	q := ask(t, "bob view alice/x:1")
	for range 100 {
		q.Object.Session.Name = strings.Repeat("a", 4096)
		if s.Decide(q).Allow {
			t.Fatal("it matches")
		}
	}
	if q.Object.Session.Name += "b"; !s.Decide(q).Allow {
		t.Fatal("it does not match")
	}
}
