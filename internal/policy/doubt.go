package policy

import "maps"

// doubt is of what may count no more because grants have gone: they themselves, and
// what has come from those who had them. It is not known yet what of it still does.
type doubt struct {
	people *people
	ids    map[string]bool // of grants that have gone
	whos   map[string]bool // who had them
}

// holds reports whether it is of a grant.
func (d *doubt) holds(g *grant) bool {
	if d == nil {
		return false
	}
	if d.ids[g.id] {
		return true
	}
	for _, giver := range g.givers {
		if d.whos[giver] {
			return true
		}
		for _, group := range d.people.groupsOf(giver) {
			if d.whos["@"+group] {
				return true
			}
		}
	}
	return false
}

// doubts has those of the moving grants that are not among others count no more,
// nor what may rest on them.
func (s *Set) doubts(was, now []Given) {
	if adds(was, now) {
		return
	}
	stay := make(map[string]bool, len(now))
	for i := range now {
		stay[now[i].ID] = true
	}
	var d *doubt
	for i := range was {
		g := &was[i]
		if stay[g.ID] {
			continue
		}
		if d == nil {
			d = &doubt{s.people, map[string]bool{}, map[string]bool{}}
			if before := s.doubt.Load(); before != nil {
				maps.Copy(d.ids, before.ids)
				maps.Copy(d.whos, before.whos)
			}
		}
		d.ids[g.ID], d.whos[g.Who] = true, true
	}
	if d != nil {
		s.doubt.Store(d)
	}
}

// adds reports whether all that was given still is, in the same order, as when something is
// given: then nothing has to be looked up.
func adds(was, now []Given) bool {
	i := 0
	for n := range now {
		if i < len(was) && was[i].ID == now[n].ID {
			i++
		}
	}
	return i == len(was)
}
