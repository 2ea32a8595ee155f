package given

import (
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/grants"
)

// TestSilences: who does not answer is asked ever more seldom, but is asked; who answers is
// asked in each round again, and of whom nothing is to be asked nothing is remembered.
func TestSilences(t *testing.T) {
	all := silences{}
	var asked []int
	for round := range 200 {
		ask := map[string][]grants.Grant{"alice": {{}}, "bob": {{}}}
		all.round(ask)
		if ask["bob"] == nil {
			t.Fatalf("bob is not asked in round %d", round)
		}
		if ask["alice"] != nil {
			asked = append(asked, round)
			all.note("alice")
		}
	}
	if want := []int{0, 2, 5, 10, 19, 36, 69, 134, 199}; !slices.Equal(asked, want) {
		t.Errorf("alice was asked in the rounds %v, want %v", asked, want)
	}
	all.forget("alice")
	ask := map[string][]grants.Grant{"alice": {{}}}
	if all.round(ask); len(ask) != 1 {
		t.Error("alice has answered and is not asked")
	}
	all.note("alice")
	if all.round(map[string][]grants.Grant{}); len(all) != 0 {
		t.Errorf("%v are remembered", all)
	}
}
