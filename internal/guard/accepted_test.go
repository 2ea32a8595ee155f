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
	is := func(ended uint64, loose bool, when string) {
		t.Helper()
		if n, is := b.ends(); n != ended || is != loose {
			t.Errorf("%s: %d have ended, loose %v; want %d, %v", when, n, is, ended, loose)
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
	two, three, four := b.begin(), b.begin(), b.begin()
	for _, d := range []*dialed{two, three, four} {
		b.asks(d)
	}
	b.closed(two)
	b.closed(two)
	is(1, true, "when one of three is closed, twice")
	b.closed(three)
	is(2, true, "when another is closed, while the first is confirmed")
	b.confirms(1, 0)
	b.came(four)
	is(2, true, "when the last has come")
	b.confirms(2, 0)
	b.confirms(1, 0) // who began before has waited longer
	is(2, false, "when that is confirmed")
}

// Whoever has clients leave before they have an answer has nothing kept for each of them.
func TestBacklogKeepsNothingOfWhoLeft(t *testing.T) {
	b := &backlog{}
	for range 1000 {
		d := b.begin()
		b.connected(d)
		b.asks(d)
		b.answered(d)
		b.closed(d)
	}
	if len(b.loose) != 0 || len(b.lie) != 0 {
		t.Errorf("%d are kept, and %d", len(b.loose), len(b.lie))
	}
	if _, loose := b.ends(); !loose {
		t.Error("all is taken for done")
	}
}
