package access

import "testing"

// TestSuggestLiesBetween: who may only look on suggests nothing, who may type may suggest,
// and no command of tmux needs it, so that who holds all that tmux knows lacks nothing
// there without it.
func TestSuggestLiesBetween(t *testing.T) {
	for _, tc := range []struct {
		role           Role
		suggest, types bool
	}{
		{Viewer, false, false}, {Suggester, true, false}, {Typist, true, true}, {Operator, true, true}, {Owner, true, true}, {Admin, false, false},
	} {
		held, ok := tc.role.Verbs()
		if !ok || held.Has(Suggest) != tc.suggest || held.Has(Type) != tc.types {
			t.Errorf("%s holds %s", tc.role, held)
		}
	}
	for name, set := range map[string]VerbSet{"tmux's verbs": TmuxVerbs, "those by which something is done": Acting, "those that govern": Governing} {
		if set.Has(Suggest) {
			t.Errorf("suggest is among %s", name)
		}
	}
	if all := TmuxVerbs.With(Governing).With(SetOf(Suggest)); all != AllVerbs {
		t.Errorf("%s is in no set", AllVerbs&^all)
	}
	if got := SetOf(View, Suggest).Brief(); got != "view, suggest" {
		t.Errorf("in few words: %q", got)
	}
}
