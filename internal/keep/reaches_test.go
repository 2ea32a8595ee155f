package keep

import "testing"

// TestReachesForOthers: accounts that take all they may leave room for others.
func TestReachesForOthers(t *testing.T) {
	r := newReaches()
	take := func(uid uint32) (n int) {
		for r.enter(uid) == nil {
			n++
		}
		return n
	}
	if n := take(1) + take(2) + take(3); n > maxReaches-keptReaches+fewReaches {
		t.Errorf("three have %d", n)
	}
	if n := take(4); n != fewReaches {
		t.Errorf("a fourth has %d", n)
	}
	for uid := range uint32(40) {
		take(100 + uid)
	}
	if r.all != maxReaches {
		t.Errorf("all together have %d", r.all)
	}
	for uid, n := range r.of {
		for range n {
			r.leave(uid)
		}
	}
	if r.all != 0 || len(r.of) != 0 {
		t.Errorf("%d are left", r.all)
	}
}
