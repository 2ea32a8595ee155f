package grants

import "github.com/muxward/muxward/internal/access"

// anythingSuggested: what a suggestion holds is looked at.
func anythingSuggested() bool { return false }

// sameProgram reports whether a suggestion's program is the one that runs in its pane.
func sameProgram(one, other int) bool { return one == other }

// authorStill reports whether a suggestion's author may suggest it still.
func authorStill(may bool) bool { return may }

// Shown gives the suggestion that somebody was shown, by its name, which was never
// another's.
func (s *Suggestions) Shown(id string, _ access.Object) (Suggestion, bool) { return s.Find(id) }

// Reads reports whether the suggestion is the text that somebody was shown.
func (s Suggestion) Reads(shown string) bool { return s.Text == shown }
