package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Change is what one person gains and loses on one selector between two
// policies.
type Change struct {
	Who    string   `json:"who"`
	On     string   `json:"on"`
	Gained []string `json:"gained,omitempty"`
	Lost   []string `json:"lost,omitempty"`
}

// Diff compares two policies at a time: for everybody whom either names, on
// everything that either names, and on everybody's server. What a selector
// with a star stands for is tried with one session. Conditions on the door,
// the account or a second factor are seen as from the tmux door. The error tells that the
// policies are too large for that.
func Diff(before, after *Set, at time.Time) ([]Change, error) {
	out := []Change{} // not nil: programs read a list
	people, selectors := diffPeople(before, after), diffSelectors(before, after)
	if len(people)*len(selectors) > maxDiff {
		return nil, fmt.Errorf("%d people and %d selectors are too many to compare; use diff on the files, and policy explain", len(people), len(selectors))
	}
	for _, who := range people {
		sub := identity.Subject{Person: who, UID: -1, Door: "tmux", Account: who}
		for _, sel := range selectors {
			was, is := before.Holds(sub, sel.Object(), at), after.Holds(sub, sel.Object(), at)
			if was == is {
				continue
			}
			out = append(out, Change{Who: who, On: sel.String(), Gained: (is &^ was).Names(), Lost: (was &^ is).Names()})
		}
	}
	return out, nil
}

// maxDiff is how many pairs of a person and a selector Diff compares.
const maxDiff = 5_000_000

// nobodyNamed is asked about for all who are in no file: what "*" is given.
const nobodyNamed = "_anybody_else"

func diffPeople(sets ...*Set) []string {
	names := map[string]bool{nobodyNamed: true}
	for _, s := range sets {
		for _, n := range s.People() {
			names[n] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func diffSelectors(sets ...*Set) []Selector {
	seen := map[Selector]bool{{Kind: access.Host}: true}
	for _, s := range sets {
		for n := range s.people.list {
			seen[Selector{Kind: access.Server, Owner: n}] = true
		}
		for _, sel := range mentioned(s) {
			seen[sel] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b Selector) int { return strings.Compare(a.String(), b.String()) })
}
