package executor

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// lasting is what stays on the last line of somebody's display: a lockdown before a
// suggestion.
type lasting struct {
	mu        sync.Mutex
	at        *stage        // where they were
	locked    string        // what was said last of a lockdown
	on        access.Object // of what that was said
	suggested string
	by        *gateway.Right // what being told of that rests on
}

// stands has the display show it. mu is held.
func (s *seat) stands() {
	s.att.Banner(cmp.Or(s.lasting.locked, s.lasting.suggested))
}

// tellStanding tells somebody who goes on looking how what they look at stands now.
func (s *seat) tellStanding() {
	s.protected(func() {
		s.tellLocked()
		s.tellWatched()
	})
}

// tellLocked tells somebody who goes on looking that what they look at was
// locked down, or that it is no more; and has that stay on their display.
func (s *seat) tellLocked() {
	if now, news := s.standLocked(); news {
		s.att.Notice(lockedText(now))
	}
}

func (s *seat) standLocked() (now string, news bool) {
	st := &s.lasting
	st.mu.Lock()
	defer st.mu.Unlock()
	at, was := s.stage.Load(), st.on
	same := at == st.at
	st.at = at
	now, on := s.lockedAt(at)
	if now == st.locked {
		return now, false
	}
	st.locked, st.on = now, on
	s.stands()
	// Where they are now it was never locked down, or it may be still, and is not shown.
	return now, now != "" || same && s.live.Locked(was) == ""
}

// lockedAt says by what it is locked down what their display shows, and what of it: a
// session as a whole, or the panes of a place of their own.
func (s *seat) lockedAt(at *stage) (string, access.Object) {
	if s.own == nil {
		return lockedSession(s.live, s.server, at.view.Need().Object)
	}
	on := at.view.Need().Object
	if now := s.live.Locked(on); now != "" {
		return now, on
	}
	return s.own.lockedDown()
}

// lockedSession says by what a session is locked down, or a part of it; that may have been as a part
// of another session, which also has that window or had the pane, and is not named.
func lockedSession(live *gateway.Live, server Server, on access.Object) (string, access.Object) {
	snap := server.Known()
	if now := live.Locked(on); now != "" || snap == nil || live.Locked(wholeNeed(server).Object) == "" {
		return now, on
	}
	session := snap.Session(tmux.SessionID(on.Session.ID))
	if session == nil {
		return "", on
	}
	for _, n := range gateway.Seeing(server.Owner(), server.Incarnation(), snap, session)[1:] {
		if now := live.LockedBy(n.Object); now != "" {
			return "a part of this is " + now, n.Object
		}
	}
	return "", on
}

// lockedDown is lockedAt for the panes in the last picture; of several, for the first.
func (o *own) lockedDown() (now string, on access.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil {
		return "", on
	}
	for _, id := range slices.Sorted(maps.Keys(o.next.panes)) {
		r := o.next.rests[id]
		if r == nil || r.Need().Object.Window.ID != uint32(o.here.window) || !r.Decide().Allow {
			continue
		}
		if now := o.s.live.Locked(r.Need().Object); now != "" {
			return now, r.Need().Object
		}
	}
	return "", on
}

// standSuggested has the last suggestion of those that wait stay on the display.
func (s *seat) standSuggested(list []Waits) {
	text, by := "", (*gateway.Right)(nil)
	for _, w := range list {
		if w.Line != "" && !w.Command {
			text, by = s.announced(w, len(list)), s.live.Right(w.Need)
		}
	}
	st := &s.lasting
	st.mu.Lock()
	defer st.mu.Unlock()
	st.suggested, st.by = text, by
	s.untellSuggested()
}

// unsuggest takes away a suggestion that the person may not be told any more. It is drawn no more
// once undrawn has returned nil, which waits for who draws it just then.
func (s *seat) unsuggest() (undrawn func(ctx context.Context) error) {
	s.lasting.mu.Lock()
	defer s.lasting.mu.Unlock()
	if s.untellSuggested() {
		return s.att.Drawn
	}
	return func(context.Context) error { return nil }
}

// untellSuggested decides while mu is held: either it finds what was taken, or who takes
// it finds the suggestion. It reports whether that was so.
func (s *seat) untellSuggested() (untold bool) {
	st := &s.lasting
	if untold = st.by != nil && !st.by.Decide().Allow; untold {
		st.suggested, st.by = "", nil
	}
	s.stands()
	return untold
}
