package attack

import (
	"strings"
	"testing"
)

// Mallory, who may see nothing of alice's, suggests to find out which panes there are, and
// who suggests what. What she hears is the same for those that are not there. In the
// control run she may know of everything.
func TestSG09SuggestingTellsNothing(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_visible", attack: func(w *world) {
		s := suggestions{w}
		id := s.suggest(viewer, suggestedIn, "between us")
		answer := func(target string) string {
			r := w.Muxward(stranger, "suggest", "--wait=false", "-t", target, "text")
			if r.Code == 0 {
				w.gain("mallory suggests in %s: %s", target, r.Out)
			}
			return strings.ReplaceAll(r.Out+r.Err, target, "TARGET")
		}
		for there, not := range map[string]string{
			"mwalice/secret:0.0": "mwalice/nosuch:0.0", suggestedIn: "mwalice/shared:7.7", "mwalice/%0": "mwalice/%99", "mwalice": "mwbob",
		} {
			if a, b := answer(there), answer(not); a != b {
				w.gain("she is told of %s: %q, and of %s: %q", there, a, not, b)
			}
		}
		theirs, none := w.Muxward(stranger, "suggest", "--take-back", id), w.Muxward(stranger, "suggest", "--take-back", "aaaaaaa")
		if a, b := strings.ReplaceAll(theirs.Err, id, "ID"), strings.ReplaceAll(none.Err, "aaaaaaa", "ID"); theirs.Code == 0 || a != b {
			w.gain("she is told of bob's suggestion: %q, and of none: %q", a, b)
		}
		if out := w.Muxward(stranger, "suggestions", "--json").Out; out != "[]\n" {
			w.gain("she is told of suggestions: %s", out)
		}
		if r := w.Muxward(viewer, "suggest", "--take-back", id); r.Code != 0 {
			w.t.Errorf("%+v", r)
		}
	}}.run(t)
}
