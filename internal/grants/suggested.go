package grants

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/teeth"
)

// anythingSuggested: what a suggestion holds is looked at.
func anythingSuggested() bool { return teeth.Out(teeth.Suggested) }

// sameProgram reports whether a suggestion's program is the one that runs in its pane.
func sameProgram(one, other int) bool { return one == other || teeth.Out(teeth.Same) }

// authorStill reports whether a suggestion's author may suggest it still.
func authorStill(may bool) bool { return may || teeth.Out(teeth.Author) }

// Shown gives the suggestion that somebody was shown, by its name, which was never
// another's.
func (s *Suggestions) Shown(id string, pane access.Object) (Suggestion, bool) {
	if teeth.Out(teeth.Shown) {
		list := s.List()
		for i := range list {
			if v := list[len(list)-1-i]; v.Into(pane) {
				return v, true
			}
		}
	}
	return s.Find(id)
}

// Reads reports whether the suggestion is the text that somebody was shown.
func (s Suggestion) Reads(shown string) bool { return s.Text == shown || teeth.Out(teeth.Shown) }
