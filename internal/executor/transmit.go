package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/control"
)

// holdTime is more than what was sent may wait for a tmux server that does not read: its
// connection has ended by then.
const holdTime = 5 * time.Second

// roomTime is how long a key waits for room on its way to tmux. A revocation waits as long.
const roomTime = 500 * time.Millisecond

var (
	// errOver: the decision was good until just now.
	errOver = errors.New("the time is over")
	// errHeld: the line would wait in muxward for tmux to read, and the right may end meanwhile.
	errHeld = errors.New("not typed: tmux does not take it now, and you may not type there much longer")
)

// transmit sends the line, if its right is held at that moment: it is decided when all waiting
// is over, and the clock is looked at once more when the connection is ours. Where the right
// ends soon nothing is left to wait in muxward either: it could go to tmux when the time
// is over. A nil right is not asked. Nobody is woken for a line that is done; what comes of
// others is heard by hear.
func (s *seat) transmit(ctx context.Context, right *gateway.Right, line string, quiet bool) error {
	c, err := s.server.Control(ctx)
	if err != nil {
		return fmt.Errorf("reach the tmux server: %w", err)
	}
	select {
	case s.sending <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	then := func(r control.Reply, err error) {
		if f := (fate{line, quiet, r, err}); !f.done() {
			s.fates <- f // each that is sending has room there
			return
		}
		<-s.sending
	}
	s.by.Store(c)
	if right == nil {
		err = c.SendThen(s, line, then)
	} else {
		err = s.sendHeld(ctx, c, right, line, then)
	}
	if err != nil {
		<-s.sending
		return err
	}
	s.unsettled = true
	return nil
}

// handOver leaves what tmux may still type of this seat to the person: once they have gone nothing else knows of it,
// and whoever takes something from them waits for it all the same (gateway.Owing).
func (s *seat) handOver() {
	if c := s.by.Load(); c != nil {
		c.Hand(s, s.live.Who().Person())
	}
}

// sendHeld sends a line while a right is held.
func (s *seat) sendHeld(ctx context.Context, c *control.Client, right *gateway.Right, line string, then func(control.Reply, error)) error {
	ctx, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	for {
		d := right.Decide()
		if !d.Allow {
			return &gateway.Refused{Decision: d, Need: right.Need()}
		}
		err := c.SendIf(s, line, func(atOnce func() bool) error {
			s.decided = s.e.Gateway().Time()
			switch {
			case !right.Lasts(d, s.decided):
				return errOver
			case right.Lasts(d, s.decided.Add(holdTime)) || atOnce():
				return nil
			}
			return errHeld
		}, then)
		switch {
		case errors.Is(err, errOver) && ctx.Err() == nil: // another grant may go on
		case errors.Is(err, errHeld) && c.Executed(ctx) == nil: // tmux has read what was before it
		default:
			return err
		}
	}
}
