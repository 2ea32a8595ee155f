package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// resized has tmux hear of the display's new size. Of one whose size must not
// count it is made sure first that it does not, whatever somebody who acts as
// the owner has changed past us.
func (s *seat) resized() {
	// What somebody looks back at does not fit any more.
	if _, err := s.att.Uncover(s.ctx); err != nil {
		s.leave(err)
		return
	}
	if s.own != nil {
		s.own.wake()
		return
	}
	if !s.resizes.Load() && !s.full.Load() {
		if err := s.weightless(s.ctx); err != nil {
			s.leave(err)
			return
		}
	}
	_ = s.redraw(s.ctx)
}

// refresh has tmux draw everything anew, and nothing else. By a redraw it would take the
// display for the one that was used last, and have the window take its size.
func (s *seat) refresh(ctx context.Context) error {
	name, ok := tmux.SpellCommand("refresh-client", s.reading())
	if s.own != nil || !ok {
		return s.redraw(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	replies, err := s.ask(ctx, name+" -t "+s.tty)
	if err == nil {
		err = replies[0].Err
	}
	if err != nil {
		return fmt.Errorf("draw the display anew: %w", err)
	}
	return nil
}

// weightless asks tmux whether it takes no size from the display: the display
// asked to be ignored, and another client is attached that did not. A suspended
// one is not counted.
func (s *seat) weightless(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	small := s.settledSmall()
	replies, err := s.ask(ctx, s.stage.Load().clients+` -F "#{client_flags} #{client_name}"`)
	if err == nil {
		err = replies[0].Err
	}
	if err != nil {
		return fmt.Errorf("confirm that your display sizes no windows: %w", err)
	}
	sizes, other := false, false
	for _, line := range replies[0].Lines() {
		flags, name, _ := strings.Cut(line, " ")
		if name == s.tty {
			sizes = !unsized(flags)
			continue
		}
		other = other || !ignored(flags) && !has(flags, "suspended")
	}
	if sizes && small {
		err = s.shrink(ctx)
	}
	if err == nil && !other && weighs() {
		err = errors.New("what kept your display from sizing windows does so no more; attach again")
	}
	return err
}

// settledSmall reports whether tmux was told, before now, that the display is to
// have no say in the size of windows.
func (s *seat) settledSmall() bool { return !s.resizes.Load() && !s.weighing.Load() }

// shrink takes from the display the say in the size of windows that somebody
// gave it, which is told once.
func (s *seat) shrink(ctx context.Context) error {
	if s.resizes.Load() {
		return nil // it was given by right meanwhile
	}
	if !s.shrunk.Swap(true) {
		_ = s.e.Gateway().Note(ctx, s.p, access.BestEffortClass, func(ev *access.Event) {
			ev.Kind, ev.Note = access.EventAlarm, "somebody has given this display a say in the size of windows, past muxward; it is taken back each time"
		})
	}
	return s.weigh(ctx, "ignore-size")
}

// ignored reports whether a client asked tmux not to take its size.
func ignored(flags string) bool { return has(flags, "ignore-size") }

func has(flags, flag string) bool { return strings.Contains(","+flags+",", ","+flag+",") }

// sizing lets the display have a say in the session's size only while the
// person may resize.
func (s *seat) sizing(ctx context.Context, full bool) error {
	may := full || !s.p.Plan().ReadOnly && s.stage.Load().sizes.Decide().Allow
	s.weighing.Store(true)
	defer s.weighing.Store(false)
	was := s.resizes.Swap(may)
	if !may { // also one that asked for it itself is kept so from now on
		if err := s.weighDown(ctx, s.stage.Load().session.ID, s.p.Plan().Snapshot.Reading()); err != nil {
			s.resizes.Store(was) // it is tried again
			return err
		}
	}
	if was == may {
		return nil
	}
	gateway.Waits(ctx)
	flag := "ignore-size"
	if may {
		flag = "!ignore-size"
	}
	if err := s.weigh(ctx, flag); err != nil {
		s.resizes.Store(was) // it is tried again
		return err
	}
	return nil
}

// weigh sets a flag of the display that decides whether its size counts.
func (s *seat) weigh(ctx context.Context, flag string) error {
	c, err := s.server.Control(ctx)
	if err != nil {
		return fmt.Errorf("take back the say in the size: %w", err)
	}
	replies, err := c.Do(ctx, fmt.Sprintf("refresh-client -t %s -f '%s'", s.tty, flag))
	if err == nil {
		err = replies[0].Err
	}
	if err != nil {
		return fmt.Errorf("take back the say in the size: %w", err)
	}
	return nil
}
