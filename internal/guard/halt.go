package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/control"
)

// halting is whether a server is to stand still, and whether it does.
type halting struct {
	mu      sync.Mutex
	want    bool
	asked   int           // how often something was wanted
	running bool          // the hands are asked
	done    chan struct{} // closed when they have answered what was wanted last; while running

	is     keep.Halted // by their last answer
	frozen bool        // its panes may be frozen
	err    error       // of that answer
}

// Halted reports whether the server was stopped by Halt and has not been let go on, and whether
// what is in its panes may stand still.
func (s *Server) Halted() (stopped, frozen bool) {
	h := &s.halting
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.is.Stopped, h.frozen
}

// Halt has the server stopped, with what runs in the panes of an isolated one, or go on that was
// stopped so. It goes by what was wanted last, also if the hands answer only when nobody waits any
// more: of a server that could not be stopped in time that is said, and it is not stopped later.
func (s *Server) Halt(ctx context.Context, stop bool) (keep.Halted, error) {
	h := &s.halting
	h.mu.Lock()
	was := h.is.Stopped || h.frozen
	h.want = stop
	h.asked++
	if !h.running {
		if s.g.ctx.Err() != nil {
			h.mu.Unlock()
			return keep.Halted{}, errors.New("muxward is stopping")
		}
		h.running, h.done = true, make(chan struct{})
		s.g.wg.Go(s.align)
	}
	done := h.done
	h.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		h.mu.Lock()
		defer h.mu.Unlock()
		if stop && !was && h.running {
			h.want = false
			h.asked++
		}
		return keep.Halted{}, fmt.Errorf("who could stop the tmux server of %s, and let it go on, does not answer: %w", s.kept.Owner, ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.is, h.err
}

// align asks the hands until they have answered what was wanted last.
func (s *Server) align() {
	h := &s.halting
	for {
		h.mu.Lock()
		want, asked := h.want, h.asked
		h.mu.Unlock()
		is, err := s.g.hands.Halt(s.g.ctx, s.kept.ID, want) // a hand that hangs has nobody wait but this
		h.mu.Lock()
		h.err = err
		switch {
		case err == nil:
			h.is, h.frozen = is, want && s.kept.Isolated
		case want: // it may be, and may have to be let go on
			h.is.Stopped, h.frozen = true, s.kept.Isolated
		}
		if h.asked == asked || s.g.ctx.Err() != nil {
			h.running = false
			close(h.done)
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
	}
}

// Used reports whether anything can have been sent to the server that it may still have to do:
// before it begins nobody but its first client gets a connection. It waits for nobody.
func (s *Server) Used() bool {
	select {
	case <-s.begun:
		return true
	default:
		return false
	}
}

// confirmTurns is what it takes: accepting a connection, reading from it and running what was
// read may be three turns of a server's loop.
const confirmTurns = 3

// turn waits for one turn of the server's loop; with behind for so many that it has accepted every
// connection before ours: it accepts one in a turn, the oldest first.
func (s *Server) turn(ctx context.Context, behind bool) error {
	if behind {
		_, err := s.anySession(ctx)
		return err
	}
	c, err := s.Control(ctx)
	if err != nil {
		return err
	}
	return c.Drain(ctx)
}

// lately is how recent the last answer of a server has to be for Still to ask nothing.
const lately = 50 * time.Millisecond

// Still returns nil when nothing of what was sent to the server before is under way, as [Server.Confirm]
// does: it asks nothing where that is known, or will be by what is on its way. One that does not
// answer is to be told of, whatever it has to do: who has been silent for a while, or is stopped, has
// to confirm.
func (s *Server) Still(ctx context.Context) error {
	c := s.connected()
	if _, loose := s.backlog.ends(); loose || !s.backlog.empty() || c == nil {
		return s.Confirm(ctx)
	}
	did, fresh := s.backlog.acted() // behind that: what is loose no more is counted
	if fresh {
		c.Acted()
	}
	if c.Settled(ctx) != nil {
		return s.Confirm(ctx)
	}
	s.backlog.settles(did)
	if time.Since(c.Answered()) > lately || s.stands() {
		return s.Confirm(ctx)
	}
	return nil
}

// connected is the connection to the server as it is now, nil if there is none.
func (s *Server) connected() *control.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctl
}

// writtenTime is how long a server may take to write what was typed.
const writtenTime = time.Second

// Owing implements gateway.Owing.
func (s *Server) Owing() []string {
	people := s.backlog.owing()
	if c := s.connected(); c != nil {
		for _, of := range c.Owing() {
			if person, ok := of.(string); ok && !slices.Contains(people, person) {
				people = append(people, person)
			}
		}
	}
	return people
}

// Written implements gateway.Owing.
func (s *Server) Written(ctx context.Context, person string) error {
	c, lies := s.connected(), s.backlog.owes(person)
	typed := c != nil && slices.Contains(c.Owing(), any(person))
	if !typed && !lies {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writtenTime)
	defer cancel()
	settled := !typed || c.SettledOf(ctx, person) == nil
	if settled && !lies {
		return nil
	}
	if !settled {
		c.Cut(ctx) // what was not read is taken back: nobody else does, where they have left
	}
	return s.Confirm(ctx)
}

// came notes that the server has come to what was asked over a connection of its own: what that typed is
// written behind the next answer. Where no control client goes on that notes it, the next one may not know of it.
func (s *Server) came(d *dialed) {
	s.backlog.came(d)
	if d.of == "" {
		return
	}
	if c := s.connected(); c == nil || !c.ActedOf(d.of) {
		s.backlog.leave(d.of)
	}
}

// stands reports whether the server's process is stopped, or cannot be looked at.
func (s *Server) stands() bool {
	stat, err := procfs.ReadStat(s.PID())
	return err != nil || stat.State == 'T' || stat.State == 't'
}

// Confirm returns nil when the server has done all that was sent to it before, over whichever
// connection, or has ended.
func (s *Server) Confirm(ctx context.Context) error {
	at := s.backlog.now()
	ended, loose := s.backlog.ends()
	turns, enough := -1, confirmTurns
	if s.backlog.empty() { // a connection of our own costs tmux as much as there are people
		turns = 0
		if !loose { // all else goes over the connection that is asked; what it typed is written behind the first
			enough = 2
		}
	}
	for turns < enough {
		err := s.Cause()
		if err != nil {
			return nil //nolint:nilerr // it has ended: nothing is done there any more
		}
		err = s.turn(ctx, turns < 0)
		if err == nil || errors.Is(err, errNoSession) { // which it has said
			turns++
			continue
		}
		select {
		case <-s.done:
			return nil
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the tmux server of %s (process %d) does not confirm that it has done what it was sent: %w", s.kept.Owner, s.kept.PID, err)
		}
	}
	s.backlog.confirms(ended, at)
	return nil
}
