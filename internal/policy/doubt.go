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
	if d.ids[g.id] || d.whos["*"] { // whoever gave it may have had it as everybody
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
func (s *Set) doubts(was, now []*Given) {
	gone := missing(was, now)
	if len(gone) == 0 {
		return
	}
	d := &doubt{s.people, map[string]bool{}, map[string]bool{}}
	if before := s.doubt.Load(); before != nil {
		maps.Copy(d.ids, before.ids)
		maps.Copy(d.whos, before.whos)
	}
	for id, g := range gone {
		d.ids[id], d.whos[g.Who] = true, true
	}
	s.doubt.Store(d)
}

// missing gives those that were given and are not any more, by their ids. Mostly nothing but
// what is new is in another order, so that few are looked up.
func missing(was, now []*Given) map[string]*Given {
	var gone map[string]*Given
	n := 0
	for _, g := range was {
		if n < len(now) && (now[n] == g || now[n].ID == g.ID) {
			n++
			continue
		}
		if gone == nil {
			gone = map[string]*Given{}
		}
		gone[g.ID] = g
	}
	for i := 0; i < len(now) && len(gone) > 0; i++ {
		delete(gone, now[i].ID)
	}
	return gone
}
