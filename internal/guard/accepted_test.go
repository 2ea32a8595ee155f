package guard

import "testing"

// Who was there before the one began that tmux answers was accepted; who came at the same
// time may lie behind it.
func TestBacklog(t *testing.T) {
	b := &backlog{}
	lies := func(want int, when string) {
		t.Helper()
		if len(b.lie) != want || b.empty() != (want == 0) {
			t.Errorf("%s: %d lie there, want %d", when, len(b.lie), want)
		}
	}
	lies(0, "at first")
	early := b.begin()
	b.connected(early)
	beside, late := b.begin(), b.begin()
	b.connected(late)
	b.connected(beside)
	coming := b.begin()
	lies(4, "when all have come")
	b.answered(late)
	lies(2, "when the one is answered that began beside another, and behind the first")
	b.answered(early)
	lies(2, "when an earlier one is answered behind it")
	b.connected(coming)
	last := b.begin()
	b.connected(last)
	b.answered(last)
	lies(0, "when one is answered that began when all were there")
	b.failed(b.begin())
	lies(0, "when one has failed")
	closed := b.begin()
	b.connected(closed)
	lies(1, "of one that is never answered")
}
