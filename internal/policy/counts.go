package policy

// Counts lists the moving grants that count, by their ids: those whose givers hold
// on the object what they gave, and have lost nothing there.
func (s *Set) Counts() map[string]bool {
	out := make(map[string]bool, len(s.given))
	for i := range s.given {
		if g := &s.given[i]; g.stands(&g.given.On, s.taken) {
			out[g.id] = true
		}
	}
	return out
}
