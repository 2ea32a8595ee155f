package executor

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/muxward/muxward/internal/gateway"
)

// lasting is what stays on the last line of somebody's display: a lockdown before a
// suggestion.
type lasting struct {
	mu        sync.Mutex
	at        *stage // where they were
	locked    string // what was said last of a lockdown
	suggested string
	by        *gateway.Right // what being told of that rests on
}

// stands has the display show it. mu is held.
func (s *seat) stands() {
	s.att.Banner(cmp.Or(s.lasting.locked, s.lasting.suggested))
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
	at, was := s.stage.Load(), st.at
	st.at = at
	if now = s.lockedAt(at); now == st.locked {
		return now, false
	}
	st.locked = now
	s.stands()
	return now, now != "" || was == at // where they are now it was never locked down
}

// lockedAt says by what it is locked down what their display shows: a session as a
// whole, or the panes of a place of their own.
func (s *seat) lockedAt(at *stage) string {
	if now := s.live.Locked(at.view.Need().Object); now != "" || s.own == nil {
		return now
	}
	return s.own.lockedDown()
}

// lockedDown is lockedAt for the panes in the last picture; of several, for the first.
func (o *own) lockedDown() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil {
		return ""
	}
	for _, id := range slices.Sorted(maps.Keys(o.next.panes)) {
		r := o.next.rests[id]
		if r == nil || r.Need().Object.Window.ID != uint32(o.here.window) {
			continue
		}
		if now := o.s.live.Locked(r.Need().Object); now != "" {
			return now
		}
	}
	return ""
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

// unsuggest takes away a suggestion that the person may not be told any more.
func (s *seat) unsuggest() {
	s.lasting.mu.Lock()
	defer s.lasting.mu.Unlock()
	s.untellSuggested()
}

// untellSuggested decides while mu is held: either it finds what was taken, or who takes
// it finds the suggestion.
func (s *seat) untellSuggested() {
	if st := &s.lasting; st.by != nil && !st.by.Decide().Allow {
		st.suggested, st.by = "", nil
	}
	s.stands()
}
