package executor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// hearer is a control client of muxward's that hears panes for somebody: for a guest in control mode, or for one at a
// place of their own.
type hearer interface {
	// deafen has tmux keep nothing for it of what the panes of a window have drawn, until it heeds them again. It ends
	// by itself.
	deafen(ctx context.Context, snap *tmux.Snapshot, w *tmux.Window) (heed func())
}

// ears are the hearers at each server, by its life. A respawn finds all of them: it waits for those that are about to
// be attached, and those that come meanwhile wait for it. The next respawn waits behind those, however soon it comes.
type ears struct {
	mu sync.Mutex
	at map[string]*earshot
}

// earshot are the hearers at one server.
type earshot struct {
	hearers  map[hearer]bool
	waiting  int           // how many wait until nothing is respawned
	coming   int           // how many are about to be attached
	respawns int           // how many are under way
	none     chan struct{} // closed when there are none any more of one of these; then it is another
}

func life(server gateway.Server) string { return server.Owner() + "#" + server.Incarnation() }

// change changes what is known of a server.
func (a *ears) change(server gateway.Server, by func(*earshot)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed(life(server), by)
}

// changed is change; mu is held.
func (a *ears) changed(life string, by func(*earshot)) {
	s := a.at[life]
	if s == nil {
		s = &earshot{hearers: map[hearer]bool{}, none: make(chan struct{})}
	}
	waiting, coming, respawns := s.waiting, s.coming, s.respawns
	by(s)
	if waiting > 0 && s.waiting == 0 || coming > 0 && s.coming == 0 || respawns > 0 && s.respawns == 0 {
		close(s.none)
		s.none = make(chan struct{})
	}
	if a.at == nil {
		a.at = map[string]*earshot{}
	}
	a.at[life] = s
	if s.waiting == 0 && s.coming == 0 && s.respawns == 0 && len(s.hearers) == 0 {
		delete(a.at, life)
	}
}

// when makes a change as soon as it may be made, or when the context ends, keyTime from now at the latest.
func (a *ears) when(ctx context.Context, server gateway.Server, may func(*earshot) bool, by func(*earshot)) {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	for {
		a.mu.Lock()
		s := a.at[life(server)]
		if s == nil || may(s) || ctx.Err() != nil {
			a.changed(life(server), by)
			a.mu.Unlock()
			return
		}
		none := s.none
		a.mu.Unlock()
		select {
		case <-none:
		case <-ctx.Done():
		}
	}
}

// errRespawns is why somebody is not attached who hears panes: the tmux server might not outlast it.
var errRespawns = errors.New("a pane of that tmux server is being given another program, which takes long; attach again when that is done")

// come is called before a hearer is attached, and came with it once it is, or with nil if it is not. It waits until
// nothing is respawned, but not for ever.
func (a *ears) come(ctx context.Context, server gateway.Server) (came func(hearer), err error) {
	a.change(server, func(s *earshot) { s.waiting++ })
	a.when(ctx, server, func(s *earshot) bool { return s.respawns == 0 }, func(s *earshot) {
		s.waiting--
		if s.respawns > 0 {
			err = errRespawns
			return
		}
		s.coming++
	})
	if err != nil {
		return nil, err
	}
	var once sync.Once
	return func(h hearer) {
		once.Do(func() {
			a.change(server, func(s *earshot) {
				s.coming--
				if h != nil {
					s.hearers[h] = true
				}
			})
		})
	}, nil
}

// goes is called when a hearer is not attached any more.
func (a *ears) goes(server gateway.Server, h hearer) {
	a.change(server, func(s *earshot) { delete(s.hearers, h) })
}

// respawn gives those who hear a server while something is respawned there, which is when over is called.
func (a *ears) respawn(ctx context.Context, server gateway.Server) (all []hearer, over func()) {
	a.when(ctx, server, func(s *earshot) bool { return s.waiting == 0 }, func(s *earshot) { s.respawns++ })
	a.when(ctx, server, func(s *earshot) bool { return s.coming == 0 }, func(s *earshot) {
		all = slices.Collect(maps.Keys(s.hearers))
	})
	return all, func() { a.change(server, func(s *earshot) { s.respawns-- }) }
}

// muffled are panes of which tmux is to tell nothing until they are let go of, whatever else is found out of them.
type muffled struct {
	hmu   sync.Mutex
	times map[tmux.PaneID]int
}

func (m *muffled) muffle(panes []tmux.PaneID) (let func()) {
	m.add(panes, 1)
	return func() { m.add(panes, -1) }
}

func (m *muffled) add(panes []tmux.PaneID, n int) {
	m.hmu.Lock()
	defer m.hmu.Unlock()
	if m.times == nil {
		m.times = map[tmux.PaneID]int{}
	}
	for _, p := range panes {
		if m.times[p] += n; m.times[p] == 0 {
			delete(m.times, p)
		}
	}
}

// muffles reports whether there is any.
func (m *muffled) muffles() bool {
	m.hmu.Lock()
	defer m.hmu.Unlock()
	return len(m.times) > 0
}

func (m *muffled) isMuffled(p tmux.PaneID) bool {
	m.hmu.Lock()
	defer m.hmu.Unlock()
	return m.times[p] > 0
}
