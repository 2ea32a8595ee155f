package executor

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// absences are the panes that were not in a guest's session for a while. tmux may
// tell a control client afterwards what such a pane has drawn meanwhile, as if it
// were drawn now, and nobody has decided that they may view that. So a pane that
// was away is heard again from where tmux itself begins anew.
//
// tmux tells of most moves. Of those that it does not tell of (swap-window) the
// state tells, which is looked at every second and with all that is told.
type absences struct {
	amu  sync.Mutex                    // held from before a state is taken until it is noted
	lies map[tmux.PaneID]tmux.WindowID // what lay in the session when that was known last
	gone map[tmux.PaneID]*absence      // what has been away, until tmux begins anew with it
}

// absence is how far a pane is from being heard again. tmux is told to keep nothing
// for it while it is away, and to begin anew when it is back.
type absence struct{ paused, resumed bool }

// follow notes what was told and then what is, and reports which of what was told
// is about what nobody has decided. It is called with amu held.
func (s *controlSeat) follow(told [][]byte, snap *tmux.Snapshot) (missed []bool) {
	missed = make([]bool, len(told))
	for i, l := range told {
		kind, rest, _ := strings.Cut(string(l), " ")
		id, more, _ := strings.Cut(rest, " ")
		switch kind {
		case "%output", "%extended-output":
			pane, err := tmux.ParsePaneID(id)
			missed[i] = err == nil && s.gone[pane] != nil
		case "%continue":
			if pane, err := tmux.ParsePaneID(id); err == nil && s.gone[pane] != nil && s.gone[pane].resumed {
				delete(s.gone, pane)
			}
		case "%layout-change":
			if w, err := tmux.ParseWindowID(id); err == nil {
				layout, _, _ := strings.Cut(more, " ")
				s.laid(w, tmux.LayoutPanes(layout))
			}
		case "%window-close", "%unlinked-window-close":
			if w, err := tmux.ParseWindowID(id); err == nil {
				s.laid(w, nil)
			}
		case "%session-changed":
			s.lie(nil)
		}
	}
	s.confirm(snap)
	return missed
}

// laid notes what lies in a window.
func (a *absences) laid(w tmux.WindowID, panes []tmux.PaneID) {
	now := map[tmux.PaneID]tmux.WindowID{}
	for p, in := range a.lies {
		if in != w {
			now[p] = in
		}
	}
	for _, p := range panes {
		now[p] = w
	}
	a.lie(now)
}

// lie notes what lies in the session.
func (a *absences) lie(now map[tmux.PaneID]tmux.WindowID) {
	for p := range a.lies {
		if _, here := now[p]; !here && !teeth.Out(teeth.Away) {
			if a.gone == nil {
				a.gone = map[tmux.PaneID]*absence{}
			}
			a.gone[p] = &absence{}
		}
	}
	a.lies = now
}

// confirm notes a state, and tells tmux of what is away and what is back.
func (s *controlSeat) confirm(snap *tmux.Snapshot) {
	now := map[tmux.PaneID]tmux.WindowID{}
	if at := snap.Session(s.stage.Load().session.ID); at != nil {
		for _, l := range at.Links {
			if w := snap.Window(l.Window); w != nil {
				for _, p := range w.Panes {
					now[p] = l.Window
				}
			}
		}
	}
	s.lie(now)
	name, ok := tmux.SpellCommand("refresh-client", snap.Reading())
	if !ok {
		return // what was away is not heard meanwhile
	}
	for p, a := range s.gone {
		if snap.Pane(p) == nil {
			delete(s.gone, p)
			continue
		}
		_, back := now[p]
		if a.resumed || !back && a.paused {
			continue
		}
		words := []string{name, "-t", s.name, "-A", p.String() + ":pause"}
		if back {
			words = append(words, "-A", p.String()+":continue")
		}
		ctx, cancel := context.WithTimeout(s.ctx, keyTime)
		_, err := ask(ctx, s.server, nil, words)
		cancel()
		if err != nil {
			return // it is tried again
		}
		a.paused, a.resumed = true, back
	}
}

// mindAway looks where the panes are, until the guest leaves.
func (s *controlSeat) mindAway() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		failpoint.At("control-away")
		s.glance()
	}
}

// glance looks once. Who cannot be told now is asked the next time; that the
// server ends is noticed elsewhere.
func (s *controlSeat) glance() {
	ctx, cancel := context.WithTimeout(s.ctx, keyTime)
	defer cancel()
	s.amu.Lock()
	defer s.amu.Unlock()
	if snap, err := s.server.Snapshot(ctx, tmux.Places); err == nil {
		s.confirm(snap)
	}
}
