package crowd

import (
	"sync"
	"testing"
)

var few = Bounds{Each: 4, All: 32}

// fill has uids of somebody come until there is no more room without somebody making it.
func fill(t *testing.T, w *Crowd[uint32], closed *int, each int, as Standing) (all []*Caller[uint32]) {
	t.Helper()
	for i := range few.All {
		c, err := w.Enter(100000+uint32(i/each), few, Unknown, func() { *closed++ })
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
		if _, err := w.Enter(100000, few, Unknown, nil); err != ErrEach {
			t.Errorf("%d: of one uid there are more than its part: %v", as, err)
		}
		if _, err := w.Enter(0, few, Begins(0), nil); err != nil || closed > 0 {
			t.Errorf("%d: root: %v, and %d were closed for that", as, err, closed)
		}
		thrown := 0
		c, err := w.Enter(99999, few, Unknown, func() { thrown++ })
		if want := as == Here; (err == ErrAll) != want || (closed == 1) == want {
			t.Errorf("%d: one more: %v, and %d were closed", as, err, closed)
		}
		if err != nil {
			continue
		}
		for i := range 3 * few.All { // who has most makes room
			if _, err := w.Enter(200000+uint32(i)/2, few, Unknown, func() { closed++ }); err != nil {
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
		if _, err := w.Enter(next, few, Unknown, func() {}); err != nil || closed != before+1 {
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
	two, err := w.Enter(last.who, Bounds{Each: 2, All: 1 << 20}, Unknown, func() { closed++ })
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
				c, err := w.Enter(uint32(1000+i%16), few, Unknown, func() {})
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
	if w.Len() != 0 || len(w.by) != 0 {
		t.Errorf("when all have left: %d, %v", w.Len(), w.by)
	}
}
