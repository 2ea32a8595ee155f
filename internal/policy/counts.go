package policy

import "slices"

// Counts lists the moving grants that count, by their ids: those whose givers hold
// on the object what they gave, and have lost nothing there.
func (s *Set) Counts() map[string]bool {
	out := make(map[string]bool, len(s.given))
	for _, g := range s.given {
		if g.stands(&g.given.On, s.taken) {
			out[g.id] = true
		}
	}
	return out
}

// Counting is Counts of one id, for who asks about that alone.
func (s *Set) Counting(id string) bool {
	for _, g := range slices.Backward(s.given) { // what was given last is asked about most
		if g.id == id {
			return g.stands(&g.given.On, s.taken)
		}
	}
	return false
}
