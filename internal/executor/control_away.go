package executor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/ctxlock"
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
// state tells, which is looked at every second, with all that is told, and behind each such
// command that comes by muxward. What tmux itself swaps there and back within a second, as by a hook or
// the key of somebody who types directly, is not noticed.
type absences struct {
	amu     sync.Mutex                    // held from before a state is taken until it is noted
	lies    map[tmux.PaneID]tmux.WindowID // what lay in the session when that was known last
	gone    map[tmux.PaneID]*absence      // what has been away, until tmux begins anew with it
	muffled                               // what is respawned
}

// absence is how far a pane is from being heard again. tmux is told to keep nothing
// for it while it is away, and to begin anew when it is back.
type absence struct{ paused, resumed bool }

// hearOf notes what was told, and if there is something to decide, the state, which it
// gives. It reports which of what was told is about what nobody has decided.
func (s *controlSeat) hearOf(told [][]byte, decides bool) (snap *tmux.Snapshot, missed []bool, err error) {
	if err := ctxlock.Lock(s.ctx, &s.amu); err != nil {
		return nil, nil, err
	}
	defer s.amu.Unlock()
	if decides {
		if snap, err = s.look(); err != nil {
			return nil, nil, err
		}
	}
	missed = s.follow(told)
	if decides {
		s.confirm(snap)
	}
	return snap, missed, nil
}

// follow notes what was told, and reports which of it is about what nobody has
// decided. It is called with amu held.
func (a *absences) follow(told [][]byte) (missed []bool) {
	missed = make([]bool, len(told))
	for i, l := range told {
		kind, rest, _ := strings.Cut(string(l), " ")
		id, more, _ := strings.Cut(rest, " ")
		switch kind {
		case "%output", "%extended-output":
			if pane, err := tmux.ParsePaneID(id); err == nil {
				missed[i] = a.gone[pane] != nil
				a.drew(pane)
			}
		case "%continue":
			if pane, err := tmux.ParsePaneID(id); err == nil && a.gone[pane] != nil && a.gone[pane].resumed {
				delete(a.gone, pane)
			}
		case "%layout-change":
			if w, err := tmux.ParseWindowID(id); err == nil {
				layout, _, _ := strings.Cut(more, " ")
				a.laid(w, tmux.LayoutPanes(layout))
			}
		case "%window-close", "%unlinked-window-close":
			if w, err := tmux.ParseWindowID(id); err == nil {
				a.laid(w, nil)
			}
		case "%session-changed":
			a.lie(nil)
		}
	}
	return missed
}

// nowhere is the window of a pane that was heard, and of which no state was seen.
const nowhere = ^tmux.WindowID(0)

// drew notes that a pane was in the session when it drew, which may have been for less
// than the time between two states.
func (a *absences) drew(pane tmux.PaneID) {
	if _, here := a.lies[pane]; here || a.gone[pane] != nil {
		return
	}
	if a.lies == nil {
		a.lies = map[tmux.PaneID]tmux.WindowID{}
	}
	a.lies[pane] = nowhere
}

// laid notes what lies in a window, nil if that is not in the session any more.
func (a *absences) laid(w tmux.WindowID, panes []tmux.PaneID) {
	now := map[tmux.PaneID]tmux.WindowID{}
	for p, in := range a.lies {
		if in != w && (in != nowhere || panes != nil) {
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
	words := []string{name, "-t", s.name}
	var asked []tmux.PaneID
	for p, a := range s.gone {
		if snap.Pane(p) == nil {
			delete(s.gone, p)
			continue
		}
		_, back := now[p]
		if a.resumed || !back && a.paused || s.isMuffled(p) {
			continue
		}
		asked = append(asked, p)
		words = append(words, "-A", p.String()+":pause")
		if back {
			words = append(words, "-A", p.String()+":continue")
		}
	}
	if len(asked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, keyTime)
	defer cancel()
	if _, err := ask(ctx, s.server, nil, words); err != nil {
		return // it is tried again
	}
	for _, p := range asked {
		_, back := now[p]
		*s.gone[p] = absence{paused: true, resumed: back}
	}
}

// pauseOrContinue has tmux do what a guest says of a pane. One that was away goes on when
// it is back, and not before, whatever was decided about it when it was still there.
func (s *controlSeat) pauseOrContinue(ctx context.Context, p tmux.PaneSetting, send func(...string) error) error {
	if err := ctxlock.Lock(ctx, &s.amu); err != nil {
		return err
	}
	defer s.amu.Unlock()
	if p.State == "continue" && s.gone[p.Pane] != nil {
		return nil
	}
	return send("-A", p.Pane.String()+":"+p.State)
}

// setFlags has tmux heed flags. With no-output, on or off, tmux forgets of which panes it is to keep nothing: it is told
// again at the next look, and meanwhile nothing may be respawned.
func (s *controlSeat) setFlags(ctx context.Context, flags []string, send func(...string) error) error {
	if err := ctxlock.Lock(ctx, &s.amu); err != nil {
		return err
	}
	defer s.amu.Unlock()
	anew := slices.ContainsFunc(flags, func(f string) bool { return strings.TrimPrefix(f, "!") == "no-output" })
	if anew && s.muffles() {
		return errors.New("refresh-client: a program is being put into a pane; say it again")
	}
	if err := send("-f", strings.Join(flags, ",")); err != nil || !anew {
		return err
	}
	for _, a := range s.gone {
		*a = absence{}
	}
	return nil
}

// mindAway looks where the panes are, until the guest leaves. All look at the same
// moment, so that those of one server share what they see.
func (s *controlSeat) mindAway() {
	for {
		select {
		case <-time.After(time.Until(time.Now().Truncate(watchEvery).Add(watchEvery))):
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
	if ctxlock.Lock(ctx, &s.amu) != nil {
		return
	}
	defer s.amu.Unlock()
	if snap, err := s.e.glances.places(ctx, s.server); err == nil {
		s.confirm(snap)
	}
}
