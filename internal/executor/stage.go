package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// stage is the session that a display shows, with the right to see it and the
// question by which tmux confirms that it is still shown. It is replaced as a
// whole when the display moves or the session is renamed.
type stage struct {
	session tmux.Session
	view    *gateway.Right
	asking  string
	clients string // how list-clients is spelled
}

// newStage makes the stage of a session.
func (s *seat) newStage(at tmux.Session, opts tmux.ParseOptions) *stage {
	name, ok := tmux.SpellCommand("list-clients", opts)
	if !ok {
		name = "list-clients" // its answer then shows no display
	}
	return &stage{
		session: at,
		view:    s.live.Right(gateway.Need{Whole: true, Verbs: access.SetOf(access.View), Object: s.sessionObject(at)}),
		asking:  name + " -t " + at.ID.String() + ` -F "#{client_name} #{pane_id} #{client_flags} #{session_name}"`,
		clients: name,
	}
}

func (s *seat) sessionObject(at tmux.Session) access.Object {
	return access.Object{
		Kind: access.Session, Owner: s.server.Owner(), Incarnation: s.server.Incarnation(),
		Session: access.SessionRef{ID: uint32(at.ID), Name: at.Name},
	}
}

// confirm asks tmux whether the display still shows the session it was
// allowed to, and which pane is active there. A display that was moved, or
// whose session has another name, is decided anew.
//
// Whatever comes into that session later, such as a window that is linked
// there, is covered by the right to see all of it, but for what was taken from
// this person elsewhere on the server. From whom something was, for them
// everything is decided that is in the session at the moment at which tmux
// answers: each window by every session that holds it, each pane wherever it
// came from. That moment is after the frame in question was read. So nothing is
// shown that was read while something of that kind was in the session; of what
// was put there and was gone again before tmux answered, a frame may be.
func (s *seat) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	now := s.stage.Load()
	small, moved := s.settledSmall(), s.moved.Load()
	replies, err := s.ask(ctx, now.asking)
	if err != nil {
		return fmt.Errorf("confirm what the display shows: %w", err)
	}
	shown, sizes := s.shows(replies[0], now, moved)
	if sizes && small {
		if err := s.shrink(ctx); err != nil {
			return err
		}
	}
	if l := s.looks.rests.Load(); l != nil && s.att.Covered() {
		if err := s.stays(ctx, l); err != nil {
			return err
		}
	}
	if (shown || !confined) && !s.touched() {
		return nil
	}
	return s.restage(ctx, s.full.Load())
}

// ask asks tmux a question. The connection is everybody's: it may have been cut
// for somebody else, and then it is asked again.
func (s *seat) ask(ctx context.Context, question string) (replies []control.Reply, err error) {
	for range 3 {
		var c *control.Client
		if c, err = s.server.Control(ctx); err == nil {
			replies, err = c.Do(ctx, question)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return replies, err
}

// shows reports whether the answer has the display, whose pane is kept, and
// whether the display has a say in the size of windows.
func (s *seat) shows(reply control.Reply, now *stage, moved uint64) (shown, sizes bool) {
	if reply.Err != nil {
		return false, false
	}
	for _, line := range reply.Lines() {
		rest, ok := strings.CutPrefix(line, s.tty+" ")
		if !ok {
			continue
		}
		id, rest, _ := strings.Cut(rest, " ")
		flags, name, _ := strings.Cut(rest, " ")
		sizes = !unsized(flags)
		pane, err := tmux.ParsePaneID(id)
		if err == nil && name == now.session.Name {
			if s.moved.Load() == moved { // where they were before may not be where they are
				s.active.Store(&pane)
			}
			return true, sizes
		}
	}
	return false, sizes
}

// where gives the session that the display shows by a state of the server. One that
// it was not known to show is decided on first.
func (s *seat) where(ctx context.Context, snap *tmux.Snapshot) (tmux.SessionID, error) {
	now := s.stage.Load().session.ID
	if c := snap.Client(s.tty); c == nil || c.Session == now {
		return now, nil
	}
	if err := s.restage(ctx, s.full.Load()); err != nil {
		return 0, err
	}
	return s.stage.Load().session.ID, nil
}

// restage finds what the display shows now, and decides on that, unless the
// person holds every verb anyway. The person's own commands and what tmux draws
// may both ask for it: what was found out while somebody else did is dropped, and
// then looked at again.
func (s *seat) restage(ctx context.Context, full bool) error {
	for range 3 {
		if done, err := s.tryRestage(ctx, full); done || err != nil {
			return err
		}
	}
	return errors.New("confirm what the display shows: it changes all the time")
}

func (s *seat) tryRestage(ctx context.Context, full bool) (done bool, err error) {
	old := s.stage.Load()
	snap, err := s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return false, fmt.Errorf("confirm what the display shows: %w", err)
	}
	lost := errors.New("the session that you were looking at has ended")
	c := snap.Client(s.tty)
	if c == nil {
		return false, lost
	}
	at := snap.Session(c.Session)
	if at == nil {
		return false, lost
	}
	if !full {
		d := s.live.DecideAll(gateway.Seeing(s.server.Owner(), s.server.Incarnation(), snap, at))
		switch {
		case !d.Allow && at.ID != old.session.ID:
			return false, errors.New("your display was moved to a session that you may not view")
		case !d.Allow:
			return false, fmt.Errorf("not all of this session is for you to see (%s)", cmp.Or(d.Reason, d.Rule))
		}
	}
	if at.ID != old.session.ID {
		s.active.Store(nil)
	}
	next := s.newStage(*at, snap.Reading())
	if at.ID != old.session.ID || at.Name != old.session.Name || next.asking != old.asking {
		if !s.stage.CompareAndSwap(old, next) {
			return false, nil
		}
		s.live.Describe(s.describe(s.mode()))
		if l := s.looks.rests.Load(); l != nil { // it was decided on as it was called before
			if _, err := s.looks.hide(ctx, l); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
