package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

// benchSet has 1,000 grants and 50 policies, as a busy bastion might.
func benchSet(tb testing.TB) *Set {
	var g strings.Builder
	g.WriteString("grants:\n")
	for i := range 1000 {
		who := []string{"bob", "carol", `"@oncall"`, `"@all"`, `"*"`}[i%5]
		fmt.Fprintf(&g, "  - {who: %s, role: %s, on: \"alice/s%d:%d\", reason: bench}\n", who, []string{"viewer", "typist", "operator"}[i%3], i/4, i%4)
	}
	var c strings.Builder
	for i := range 50 {
		switch i % 5 {
		case 0:
			fmt.Fprintf(&c, "permit (principal in Group::\"oncall\", action in Action::\"viewer\", resource in Session::\"alice/p%d\");\n", i)
		case 1:
			fmt.Fprintf(&c, "forbid (principal, action == Action::\"type\", resource in Session::\"alice/q%d\") unless { context.own };\n", i)
		case 2:
			fmt.Fprintf(&c, "permit (principal == Person::\"carol\", action, resource is Pane) when { resource.pane == %d && resource.session like \"p*\" };\n", i)
		case 3:
			fmt.Fprintf(&c, "forbid (principal in Group::\"all\", action == Action::\"execute\", resource) when { context.door == \"d%d\" };\n", i)
		default:
			fmt.Fprintf(&c, "permit (principal in Group::\"all\", action == Action::\"view\", resource is Window) when { resource.window == %d };\n", i)
		}
	}
	return mustLoad(tb, map[string]string{grantsFile: g.String(), "bench.cedar": c.String()})
}

// BenchmarkDecide measures decisions that no cache answers, with 1,000 grants
// and 50 policies.
func BenchmarkDecide(b *testing.B) {
	s := benchSet(b)
	for _, words := range []string{
		"bob view alice/s10:1.2",   // by a grant, past ten permits
		"bob type alice/s10:1.2",   // past ten forbids
		"alice type alice/s10:1.2", // one's own, past ten forbids
		"bob layout alice/s10:1.2", // nothing left for Cedar to do
		"mallory view alice/s10:1.2",
		"carol execute alice/s10:1.2",
	} {
		b.Run(strings.ReplaceAll(words, "/", "|"), func(b *testing.B) {
			q := ask(b, words)
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(q)
			}
		})
	}
}

// BenchmarkHolds measures all verbs on one pane, as a listing asks.
func BenchmarkHolds(b *testing.B) {
	s := benchSet(b)
	for _, who := range []string{"alice", "bob", "mallory"} {
		b.Run(who, func(b *testing.B) {
			q := ask(b, who+" view alice/s10:1.2")
			b.ReportAllocs()
			for b.Loop() {
				s.Holds(q.Who, q.Object, q.At)
			}
		})
	}
}

// BenchmarkCovers measures the question whether an owner holds all.
func BenchmarkCovers(b *testing.B) {
	s := benchSet(b)
	q := ask(b, "alice view alice")
	b.ReportAllocs()
	for b.Loop() {
		s.Covers(q.Who, TmuxVerbs, q.Object, q.At)
	}
}

// BenchmarkReduce measures what the first question of a person costs.
func BenchmarkReduce(b *testing.B) {
	s := benchSet(b)
	b.ReportAllocs()
	for b.Loop() {
		s.reduce("bob", access.View)
	}
}
