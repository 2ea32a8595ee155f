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

// A connection is loose until the server has come to what was asked over it, or to so much as
// was asked before it was closed.
func TestBacklogOfWhatIsLoose(t *testing.T) {
	b := &backlog{}
	is := func(closed int, loose bool, when string) {
		t.Helper()
		if list, is := b.ends(); len(list) != closed || is != loose {
			t.Errorf("%s: %d are closed, loose %v; want %d, %v", when, len(list), is, closed, loose)
		}
	}
	is(0, false, "at first")
	one := b.begin()
	b.connected(one)
	is(0, false, "when nothing is asked over it")
	b.asks(one)
	is(0, true, "when something may be")
	b.answered(one)
	is(0, true, "when it is accepted")
	b.came(one)
	b.closed(one)
	is(0, false, "when it has come")
	two, three := b.begin(), b.begin()
	b.asks(two)
	b.asks(three)
	b.closed(two)
	is(1, true, "when one of two is closed")
	b.came(two) // as Confirm says
	is(0, true, "when that is confirmed")
	b.came(three)
	is(0, false, "when the other has come")
}
