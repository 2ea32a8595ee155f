package keep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/pane"
)

// This file is where a server is stopped that does not confirm a lockdown: what lies in its
// sockets cannot be taken back by anybody, so it comes to none of it until the lockdown is lifted.

// haltTime is how long it is waited for that a server stands still. One that hangs in the
// kernel does not, until it comes back from there; it does nothing then.
const haltTime = 300 * time.Millisecond

// begunTime is how long panes are waited for that were let in just before.
const begunTime = 100 * time.Millisecond

// Halt stops a server (SIGSTOP), and the programs in the panes of an isolated one by their cgroups;
// or, with stop false, lets go on what was stopped so, and nothing else. That we have stopped it
// is written down, for the next muxward. Both can be asked for again.
func (k *Keep) Halt(ctx context.Context, id string, stop bool) (Halted, error) {
	ctx, end, err := k.begin(ctx)
	if err != nil {
		return Halted{}, err
	}
	defer end()
	s, err := k.server(id)
	if err != nil {
		return Halted{}, err
	}
	s.halting.Lock()
	defer s.halting.Unlock()
	if !stop {
		err = s.goOn()
		h := s.halted()
		return h, err
	}
	h, err := s.halt(ctx)
	if err != nil {
		err = fmt.Errorf("stop the tmux server of %s: %w", s.rec.Owner, err)
	}
	return h, err
}

// halted is what is written down of it.
func (s *server) halted() Halted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Halted{Stopped: s.rec.Stopped}
}

// halt stops a server. With halting held.
func (s *server) halt(ctx context.Context) (Halted, error) {
	begun, state, err := startOf(s.rec.PID)
	if err == nil && begun != s.rec.Start || s.proc.dead() {
		err = ErrEnded
	}
	if err != nil {
		return Halted{}, err
	}
	s.mu.Lock()
	h := Halted{Before: standsStill(state) && !s.rec.Stopped}
	s.rec.Stopped, s.rec.Frozen = s.rec.Stopped || !h.Before, s.rec.Isolated
	h.Stopped = s.rec.Stopped
	// Written before it is done: what is written and not done is put right by whoever lets it go on.
	if unwritten := s.rec.save(s.k.servers); unwritten != nil {
		h.Unwritten = clip(unwritten.Error())
	}
	s.mu.Unlock()
	frozen := make(chan struct{})
	go func() { // whoever asks waits for the longer of both
		defer close(frozen)
		if s.rec.Isolated {
			begun := s.allBegun(ctx)
			if h.Panes, h.Free, _ = pane.Freeze(s.mindsPane, true); !begun {
				h.Free++
			}
		}
	}()
	if !h.Before {
		err = s.standStill(ctx)
	}
	<-frozen
	return h, err
}

// allBegun waits until of the panes that were let in before each has what minds its session: so
// whatever runs is among those that are frozen.
func (s *server) allBegun(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, begunTime)
	defer cancel()
	if ctxlock.Lock(ctx, &s.beginning) != nil {
		return false
	}
	s.beginning.Unlock()
	return true
}

// standsStill reports whether it is the state of a process that was stopped by a signal
// (proc_pid_stat(5)).
func standsStill(state byte) bool { return state == 'T' }

// standStill stops the process, and waits until it is.
func (s *server) standStill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, haltTime)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	if err := s.proc.signal(unix.SIGSTOP); err != nil {
		return err
	}
	for {
		_, state, err := startOf(s.rec.PID)
		if err != nil || standsStill(state) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d was sent the signal to stop and does not stand still yet (state %c)", s.rec.PID, state)
		}
	}
}

// goOn lets go on what halt has stopped. With halting held.
func (s *server) goOn() error {
	s.mu.Lock()
	stopped, frozen := s.rec.Stopped, s.rec.Frozen
	s.mu.Unlock()
	if frozen {
		_, left, err := pane.Freeze(s.mindsPane, false)
		if err != nil { // it is tried again, by whoever unlocks it next
			return fmt.Errorf("let the panes of %s go on: %w", s.rec.Owner, err)
		}
		if left > 0 {
			s.k.tell(LevelServer, s, fmt.Sprintf("%d panes of %s have no cgroup by which they could have been frozen", left, s.rec.Owner))
		}
	}
	if stopped {
		if err := s.proc.signal(unix.SIGCONT); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("let the tmux server of %s go on: %w", s.rec.Owner, err)
		}
	}
	if !stopped && !frozen {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rec.Stopped, s.rec.Frozen = false, false
	if s.ended() {
		return nil
	}
	return s.rec.save(s.k.servers)
}

// mindsPane reports whether a process minds a session of this server.
func (s *server) mindsPane(pid int) bool { return s.k.minds(s.rec.Owner, s.rec.ID, pid) }

// errHalted is why no pane begins on a server that stands still.
var errHalted = errors.New("the tmux server is stopped by a lockdown")

// mayBegin refuses a session of a pane that was asked for just before the server was stopped.
func (s *server) mayBegin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec.Frozen {
		return errHalted
	}
	return nil
}
