package attach

import (
	"errors"
	"testing"
)

// TestFrozenIsNotShown: whoever is kept from what is drawn is shown nothing, until it was
// drawn anew for them.
func TestFrozenIsNotShown(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Direct)
	draws := func(text string) func() error {
		return func() error { at.program.draws(text); return contains(p.screen, text)() }
	}
	shown := func(want bool) func() error {
		return func() error {
			if at.Shown() != want {
				return errors.New("shown is not what it should be")
			}
			return nil
		}
	}
	eventually(t, "it is drawn", draws("ready"))
	eventually(t, "it is shown", shown(true))
	at.gate.set(nil, ErrFrozen)
	at.program.draws("unseen")
	eventually(t, "nothing is shown", shown(false))
	at.gate.set(nil, nil)
	eventually(t, "it is drawn again", draws("again"))
	eventually(t, "it is shown again", shown(true))
	if err := contains(p.screen, "unseen")(); err == nil {
		t.Error("what was drawn meanwhile is shown")
	}
}
