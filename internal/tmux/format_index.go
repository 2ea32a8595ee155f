package tmux

import (
	"cmp"
	"slices"
)

// formatIndex is what variables look up across a snapshot, made once for all
// rows of a list.
type formatIndex struct {
	made    bool
	clients map[SessionID][]int     // places in the snapshot's list
	groups  map[string][]*Session   // by age, as tmux keeps them
	links   map[WindowID][]*Session // in the order of linking, twice if linked twice
}

func (c *FormatContext) index() *formatIndex {
	if c.shared == nil {
		c.shared = &formatIndex{}
	}
	if !c.shared.made {
		c.shared.make(c.Snap)
	}
	return c.shared
}

func (x *formatIndex) make(snap *Snapshot) {
	x.made = true
	x.clients = make(map[SessionID][]int)
	x.groups = make(map[string][]*Session)
	x.links = make(map[WindowID][]*Session)
	for i := range snap.Clients {
		id := snap.Clients[i].Session
		x.clients[id] = append(x.clients[id], i)
	}
	for i := range snap.Sessions {
		s := &snap.Sessions[i]
		if s.Group != "" {
			x.groups[s.Group] = append(x.groups[s.Group], s)
		}
		for j := range s.Links {
			x.links[s.Links[j].Window] = append(x.links[s.Links[j].Window], s)
		}
	}
	for _, list := range x.groups {
		slices.SortFunc(list, func(a, b *Session) int { return compareID(a.ID, b.ID) })
	}
	for id, list := range x.links {
		if w := snap.Window(id); w != nil && len(list) > 1 {
			place := make(map[SessionID]int, len(w.Linked))
			for i, id := range w.Linked {
				place[id] = i
			}
			slices.SortStableFunc(list, func(a, b *Session) int { return cmp.Compare(place[a.ID], place[b.ID]) })
		}
	}
}

// clientsOf returns the clients that show one of the sessions.
func (c *FormatContext) clientsOf(list ...*Session) []*Client {
	var places []int
	for _, s := range list {
		places = append(places, c.index().clients[s.ID]...)
	}
	slices.Sort(places)
	all := make([]*Client, len(places))
	for i, place := range places {
		all[i] = &c.Snap.Clients[place]
	}
	return all
}
