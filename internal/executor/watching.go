package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// sees reports whether this person is shown an object now: see gateway.Eyes. Of a whole
// session's display it goes by what was last known of the server; what is typed is
// tested inside tmux besides.
func (s *seat) sees(o access.Object) (display string, shown bool) {
	if s.blind.Load() || s.ctx.Err() != nil || !s.att.Shown() ||
		o.Owner != s.server.Owner() || o.Incarnation != s.server.Incarnation() {
		return "", false
	}
	if s.own != nil {
		return "", s.own.drawsNow(o)
	}
	if s.displays(o) {
		return s.tty, true
	}
	return "", false
}

// displays reports whether the display of a whole session shows an object.
func (s *seat) displays(o access.Object) bool {
	return o.Kind == access.Server || s.displaysBy(s.server.Known(), o)
}

// displaysBy is displays by a state of the server, of what lies in it.
func (s *seat) displaysBy(snap *tmux.Snapshot, o access.Object) bool {
	if snap == nil {
		return false
	}
	session := s.stage.Load().session.ID
	if c := snap.Client(s.tty); c != nil {
		session = c.Session
	}
	if o.Kind == access.Session {
		return uint32(session) == o.Session.ID
	}
	at := snap.Session(session)
	if at == nil || o.Kind < access.Session {
		return false
	}
	l := at.CurrentLink()
	if l == nil || uint32(l.Window) != o.Window.ID {
		return false
	}
	w := snap.Window(l.Window)
	return o.Kind == access.Window || w != nil && slices.Contains(displayed(w), tmux.PaneID(o.Pane.ID))
}

// drawsNow reports whether a person at a place of their own is shown an object.
func (o *own) drawsNow(on access.Object) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch on.Kind {
	case access.Server:
		return true
	case access.Session:
		return uint32(o.here.session) == on.Session.ID
	case access.Window:
		return uint32(o.here.window) == on.Window.ID
	case access.Pane:
		return uint32(o.here.window) == on.Window.ID && o.shown != nil && !o.dropped && o.rests[tmux.PaneID(on.Pane.ID)] != nil
	}
	return false
}

// pictures reports whether a pane is in the picture that a person at a place of their own
// was drawn last, whatever is drawn over that.
func (o *own) pictures(pane access.Object) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil || o.dropped || uint32(o.here.window) != pane.Window.ID {
		return false
	}
	id := tmux.PaneID(pane.Pane.ID)
	_, there := o.next.panes[id] // also one of which nothing is drawn
	return there && o.next.rests[id] != nil
}

// looksOn has those who may do something only while somebody watches looked at anew:
// this person has begun to look on, or not any more.
func (s *seat) looksOn(ctx context.Context, begins bool) error {
	why := s.live.Who().Person() + " does not watch any more"
	if begins {
		why = s.live.Who().Person() + " watches"
	}
	rep := s.e.Gateway().Watched(ctx, s.live, wholeNeed(s.server).Object, why)
	if len(rep.Unconfirmed) > 0 {
		return fmt.Errorf("stop who was watched: %s", strings.Join(rep.Unconfirmed, "; "))
	}
	return nil
}

// looksOnBeside is looksOn beside what this person does: others do not hold them up.
func (s *seat) looksOnBeside(begins bool) {
	s.wg.Go(func() {
		s.protected(func() {
			if err := s.looksOn(s.ctx, begins); err != nil && s.ctx.Err() == nil {
				s.e.alarm(s.p, err.Error())
			}
		})
	})
}

// blinds ends that this person is a watcher: from here on nothing is decided by their
// looking on. What was decided before may be under way: see looksOn.
func (s *seat) blinds() {
	s.blind.Store(true)
	s.live.Shuts()
}

// leavesOff has whoever was watched by this person stopped, when they have gone. What
// cannot be confirmed is told: nothing more is decided by them, but something may be
// under way. Whoever takes something from this person waits for that besides, in the
// gateway, for as long as the permit is in use.
func (s *seat) leavesOff() {
	s.blinds()
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	if err := s.looksOn(ctx, false); err != nil {
		s.e.alarm(s.p, err.Error())
	}
}

// underWatch is a scene that is typed into while somebody watches.
type underWatch struct {
	of       *scene
	displays string
	at       *scene
}

// underWatch gives the scene in which tmux tests, with each key, that one of the
// watchers is shown the pane at that moment.
func (s *seat) underWatch(at *scene) (*scene, error) {
	names, err := watchers(s.live, at.right.Need())
	if err != nil || len(names) == 0 {
		return at, err
	}
	if all := strings.Join(names, " "); s.watched.of != at || s.watched.displays != all {
		next := *at
		next.place.Watched = names
		s.watched = underWatch{at, all, &next}
	}
	return s.watched.at, nil
}

// errUnwatched is what somebody hears whose watcher has left just then.
var errUnwatched = errors.New("not done: nobody watches any more; whoever watched has left, or looks at something else")

// maxWatchers is of how many displays tmux is asked with each key: one is enough.
const maxWatchers = 4

// watchers are the displays of which one has to show what a need is about; none if
// muxward itself shows it to somebody.
func watchers(l *gateway.Live, n gateway.Need) ([]string, error) {
	w := l.WatchedBy(n)
	switch {
	case w.Drawn:
		return nil, nil
	case len(w.Displays) == 0:
		return nil, errUnwatched
	}
	return w.Displays[:min(len(w.Displays), maxWatchers)], nil
}

// watchedAt is watchers for a command that is done to a pane.
func watchedAt(p *gateway.Permit, pane tmux.PaneID) ([]string, error) {
	if !p.Decision().Obligations.Has(access.Watched) {
		return nil, nil
	}
	for _, n := range p.Plan().Needs {
		if n.Object.Kind == access.Pane && n.Object.Pane.ID == uint32(pane) && p.Live().Decide(n).Obligations.Has(access.Watched) {
			return watchers(p.Live(), n)
		}
	}
	return nil, nil
}

// tellWatched tells somebody who types under somebody's eyes that it goes no further, or
// that it does again.
func (s *seat) tellWatched() {
	now := s.scene.Load()
	if now == nil {
		return
	}
	d := now.right.Decide()
	if !d.Obligations.Has(access.Watched) {
		s.paused.Store(false)
		return
	}
	paused := d.Rule == gateway.RuleWatcher
	switch was := s.paused.Swap(paused); {
	case was == paused:
	case paused:
		s.att.Notice("paused: " + d.Reason)
	default:
		s.att.Notice(strings.Join(s.live.WatchedBy(now.right.Need()).People, ", ") + " watches: you may go on")
	}
}
