package crowd

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

var few = Bounds{Each: 4, All: 32}

// fill has uids of somebody come until there is no more room without somebody making it.
func fill(t *testing.T, w *Crowd[uint32], closed *int, each int, as Standing) (all []*Caller[uint32]) {
	t.Helper()
	for i := range few.All {
		c, err := w.Enter(100000+uint32(i/each), "", few, Unknown, func() { *closed++ })
		if err != nil {
			t.Fatalf("number %d has no room: %v", i, err)
		}
		c.Stand(as)
		all = append(all, c)
	}
	return all
}

// Whoever uses many uids and does not say what they want keeps nobody out; who has come to stay is
// left alone, and root finds room in any case.
func TestManyUIDs(t *testing.T) {
	for _, as := range []Standing{Nobody, Unknown, Known, Here} {
		var w Crowd[uint32]
		closed := 0
		fill(t, &w, &closed, few.Each, as)
		if _, err := w.Enter(100000, "", few, Unknown, nil); err != ErrEach {
			t.Errorf("%d: of one uid there are more than its part: %v", as, err)
		}
		if _, err := w.Enter(0, "", few, Begins(0), nil); err != nil || closed > 0 {
			t.Errorf("%d: root: %v, and %d were closed for that", as, err, closed)
		}
		thrown := 0
		c, err := w.Enter(99999, "", few, Unknown, func() { thrown++ })
		if want := as == Here; (err == ErrAll) != want || (closed == 1) == want {
			t.Errorf("%d: one more: %v, and %d were closed", as, err, closed)
		}
		if err != nil {
			continue
		}
		for i := range 3 * few.All { // who has most makes room
			if _, err := w.Enter(200000+uint32(i)/2, "", few, Unknown, func() { closed++ }); err != nil {
				t.Fatal("there is no room")
			}
			if thrown > 0 && closed < few.All {
				t.Fatalf("it has made room itself, after %d others", closed)
			}
		}
		n := w.Len()
		c.Leave()
		c.Leave()
		if w.Len() < n-1 || n > few.All+1 {
			t.Errorf("%d are counted, and %d before", w.Len(), n)
		}
	}
}

// Who makes room is the oldest of nobody's first, then of those of whom there are most, and never the
// only one of somebody known.
func TestWhoMakesRoom(t *testing.T) {
	var w Crowd[uint32]
	closed := 0
	all := fill(t, &w, &closed, 1, Unknown)
	next := uint32(1)
	out := func() *Caller[uint32] {
		t.Helper()
		before := closed
		if _, err := w.Enter(next, "", few, Unknown, func() {}); err != nil || closed != before+1 {
			t.Fatalf("%v, and %d were closed", err, closed-before)
		}
		next++
		for i, c := range all {
			if c.left {
				all = append(all[:i:i], all[i+1:]...)
				return c
			}
		}
		return nil
	}
	all[0].Stand(Known)
	all[1].Stand(Here)
	nobody, oldest, second := all[7], all[2], all[3]
	nobody.Stand(Nobody)
	for i, want := range []*Caller[uint32]{nobody, oldest, second} {
		if got := out(); got != want {
			t.Errorf("number %d: uid %d made room, not %d", i, got.who, want.who)
		}
	}
	last := all[len(all)-1]
	two, err := w.Enter(last.who, "", Bounds{Each: 2, All: 1 << 20}, Unknown, func() { closed++ })
	if err != nil {
		t.Fatal(err)
	}
	last.Stand(Known)
	two.Leave()
	two.Stand(Here) // it has gone
	if last.share.n != 1 || last.share.of[Here] != 0 {
		t.Errorf("what is counted of a uid: %+v", *last.share)
	}
}

// Each gives back its place once, whoever comes and goes meanwhile, and nothing is left at the end.
func TestComeAndGo(t *testing.T) {
	var w Crowd[uint32]
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for n := range 200 {
				c, err := w.Enter(uint32(1000+i%16), []string{"", "hers", "his"}[n%3], few, Unknown, func() {})
				if err != nil {
					continue
				}
				c.Stand(Standing(n % 4))
				wg.Go(c.Leave)
				c.Leave()
			}
		})
	}
	wg.Wait()
	if w.Len() != 0 || len(w.by) != 0 || len(w.via) != 0 {
		t.Errorf("when all have left: %d, %v, %v", w.Len(), w.by, w.via)
	}
}

// Whoever comes by ever more uids, one connection each, puts out nobody who was known before, not even one of the few that
// they have at a time, however little was heard of them yet; nor anybody who comes in where that crowd cannot come.
func TestCrowdOfOnes(t *testing.T) {
	var w Crowd[uint32]
	many := Bounds{Each: 32, All: 64}
	next, closed := uint32(100000), 0
	flood := func() {
		t.Helper()
		for range 3 * many.All {
			next++
			if _, err := w.Enter(next, "hers", many, Unknown, func() { closed++ }); err != nil {
				t.Fatal(err)
			}
		}
	}
	enter := func(uid uint32, via string) *Caller[uint32] {
		t.Helper()
		c, err := w.Enter(uid, via, many, Unknown, func() {})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := enter(1000, "")
	before.Stand(Known)
	before.Leave()
	if !w.Knows(1000) || w.Knows(1001) {
		t.Error("who is known is another")
	}
	var alices []*Caller[uint32]
	for range many.keeps() + 2 {
		alices = append(alices, enter(1000, ""))
	}
	bob := enter(1001, "his")
	flood()
	left := 0
	for _, c := range alices {
		if c.left {
			left++
		}
	}
	if left != 0 || bob.left || closed == 0 {
		t.Errorf("of alice's %d have gone; bob has: %v", left, bob.left)
	}
	w = Crowd[uint32]{known: w.known} // the same where all come in at one place
	alices = nil
	for range many.keeps() + 2 {
		alices = append(alices, enter(1000, ""))
	}
	carol := enter(1002, "")
	for range 3 * many.All {
		next++
		enter(next, "")
	}
	for i, c := range alices {
		if c.left != (i < 2) {
			t.Errorf("alice's number %d has gone: %v", i, c.left)
		}
	}
	if !carol.left {
		t.Error("who is not known stays before others")
	}
	alices[5].Stand(Nobody)
	if !w.Knows(1000) || w.Knows(1002) {
		t.Error("who was somebody is not known, or who was nobody is")
	}
}

// Of those who come in at one place, who has most there makes room, and nobody who has one.
func TestMostOfOneDoor(t *testing.T) {
	for _, as := range []Standing{Unknown, Nobody} {
		var w Crowd[uint32]
		var all []*Caller[uint32]
		for i := range few.All {
			c, err := w.Enter(1000+uint32(i+2)/3, "hers", few, Unknown, func() {})
			if err != nil {
				t.Fatal(err)
			}
			c.Stand(as)
			all = append(all, c) // one of the first uid, and three each of others
		}
		if _, err := w.Enter(1, "hers", few, Unknown, func() {}); err != nil || all[0].left || !all[1].left {
			t.Errorf("%d: %v; who has one makes room: %v", as, err, all[0].left)
		}
	}
}

// No more are remembered to be known than there may be; of more, who is here is known still.
func TestKnownIsBounded(t *testing.T) {
	var w Crowd[uint32]
	for uid := range uint32(maxKnown + 1) {
		c, err := w.Enter(uid, "", few, Unknown, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Stand(Known)
		c.Leave()
	}
	if n := len(w.known); n > maxKnown || !w.Knows(maxKnown) {
		t.Errorf("%d are remembered; the last one is: %v", n, w.Knows(maxKnown))
	}
}

// So many proofs are under way and no more, and of one door a quarter; who is known is not kept out by those, nor by
// somebody else who is known, and what hangs takes nobody's place for ever.
func TestProofs(t *testing.T) {
	const most = 64
	var p Proofs
	begin := func(who uint32, via string, as Standing, late time.Duration) (done func(), n int) {
		for {
			d, ok := p.Begin(who, via, most, as, late)
			if !ok {
				return done, n
			}
			if n++; n > 5*most {
				return d, n
			}
			done = d
		}
	}
	one, n := begin(1, "a", Unknown, time.Hour)
	if n != most/4 {
		t.Errorf("of one door there are %d", n)
	}
	if _, n = begin(2, "", Unknown, time.Hour); n != most*3/4 {
		t.Errorf("there are %d others", n)
	}
	for who := range uint32(most/2 + 1) {
		want := most / 32
		if who == most/2 {
			want = 0
		}
		if _, n = begin(1000+who, "a", Known, time.Hour); n != want {
			t.Errorf("of number %d who is known there are %d", who, n)
		}
	}
	if _, n = begin(0, "a", Keeps, time.Hour); n <= 5*most {
		t.Errorf("root has %d", n)
	}
	was := p.Len()
	one()
	one()
	if p.Len() != was-1 {
		t.Errorf("%d are counted, of %d when one is over", p.Len(), was)
	}
	p = Proofs{}
	begin(1, "a", Unknown, time.Millisecond)
	for end := time.Now().Add(15 * time.Second); p.Len() > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d that hang keep their places", p.Len())
		}
	}
	if n := len(p.via) + len(p.who); n > 0 {
		t.Errorf("%d are remembered that have none", n)
	}
}

// Where few may come, whoever uses many uids has no more than those connections, and keeps out neither who comes
// once nor anybody by those that have come to stay.
func TestFewOfMany(t *testing.T) {
	var w Crowd[uint32]
	b := Few(Bounds{Each: 32, All: 1024})
	if b.Each != 2 || b.Loose < 4 || b.Loose > 16 {
		t.Fatalf("they are bounded by %+v", b)
	}
	for i := range 2 * b.Loose {
		c, err := w.Enter(200000+uint32(i), "", b, Unknown, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Stand(Here)
	}
	closed := 0
	for i := range 10 * b.Loose {
		if _, err := w.Enter(100000+uint32(i/b.Each), "", b, Unknown, func() { closed++ }); err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
	}
	if n := w.Len(); n != 3*b.Loose || closed != 9*b.Loose {
		t.Errorf("there are %d, and %d have made room", n, closed)
	}
	thrown := false
	if _, err := w.Enter(99999, "", b, Unknown, func() { thrown = true }); err != nil {
		t.Fatal(err)
	}
	for i := range b.Loose {
		if _, err := w.Enter(300000+uint32(i/b.Each), "", b, Unknown, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if thrown {
		t.Error("who has come once makes room for those who have come twice")
	}
}
