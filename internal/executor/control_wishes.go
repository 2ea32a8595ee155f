package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// watchEvery is how often subscriptions are looked at, as in tmux.
	watchEvery = time.Second
	// maxWatches bounds how many there may be.
	maxWatches = 32
)

// wishes are what a guest in control mode has said of what they want to be told.
type wishes struct {
	wmu     sync.Mutex
	off     map[tmux.PaneID]bool // panes whose output they do not want
	watches []watched
}

// watched is a subscription, and what was told of it last by places.
type watched struct {
	tmux.Watch
	last map[string]string
}

// isOff reports whether a guest does not want a pane's output. That is kept here
// and not in tmux, which does not read from a program that nobody wants to hear.
func (w *wishes) isOff(pane tmux.PaneID) bool {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	return w.off[pane]
}

// turn says whether a guest wants a pane's output. What was said of panes that have
// ended since is forgotten, or a client that stays would have it grow for ever.
func (w *wishes) turn(pane tmux.PaneID, off bool, now *tmux.Snapshot) {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	maps.DeleteFunc(w.off, func(p tmux.PaneID, _ bool) bool { return p == pane || now.Pane(p) == nil })
	if !off || now.Pane(pane) == nil {
		return
	}
	if w.off == nil {
		w.off = map[tmux.PaneID]bool{}
	}
	w.off[pane] = true
}

// watch begins or ends a subscription. first is set if it is the first ever.
func (w *wishes) watch(sub tmux.Watch) (first bool, err error) {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	first = w.watches == nil
	w.watches = slices.DeleteFunc(w.watches, func(old watched) bool { return old.Name == sub.Name })
	switch {
	case sub.Format == nil:
		return false, nil
	case len(w.watches) == maxWatches:
		return false, fmt.Errorf("refresh-client: more than %d subscriptions", maxWatches)
	}
	w.watches = append(w.watches, watched{Watch: sub})
	return first, nil
}

// arrange carries out what a guest says of their own stream. What tmux can do for
// this one client, and for nobody else, is done by tmux.
func (s *controlSeat) arrange(ctx context.Context, plan *gateway.Plan) (gateway.Result, error) {
	if s.full || plan.Server != gateway.Server(s.server) {
		return gateway.Result{}, errors.New("what you hold has changed; attach again")
	}
	name, ok := tmux.SpellCommand("refresh-client", plan.Snapshot.Reading())
	if !ok {
		return gateway.Result{}, errors.New("the server's command-alias hides refresh-client")
	}
	client, result := []string{name, "-t", s.name}, gateway.Result{}
	send := func(words ...string) error {
		words = slices.Concat(client, words)
		result.Executed = append(result.Executed, words...)
		_, err := ask(ctx, s.server, nil, words)
		return err
	}
	set := plan.Settings
	if len(set.Flags) > 0 {
		if slices.Contains(set.Flags, "wait-exit") {
			s.waits.Store(true) // tmux tells it at once
		}
		if err := s.setFlags(ctx, set.Flags, send); err != nil {
			return result, err
		}
	}
	for _, p := range set.Panes {
		if p.State == "on" || p.State == "off" {
			s.turn(p.Pane, p.State == "off", plan.Snapshot)
		} else if err := s.pauseOrContinue(ctx, p, send); err != nil {
			return result, err
		}
	}
	for _, w := range set.Watches {
		first, err := s.watch(w)
		if err != nil {
			return result, err
		}
		if first {
			s.wg.Go(func() { s.protected(s.watchAll) })
		}
	}
	return result, nil
}

// watchAll tells a guest what has changed, until they leave.
func (s *controlSeat) watchAll() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for rights := s.client.Answers().Mark(); ; {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		failpoint.At("control-watch")
		if now := s.client.Answers().Mark(); now != rights {
			s.forgetTold() // of what was told then, not all may have been written
			rights = now
		}
		if err := s.tellWatched(); err != nil {
			s.leave(err)
			return
		}
	}
}

func (w *wishes) forgetTold() {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	for i := range w.watches {
		w.watches[i].last = nil
	}
}

// tellWatched looks at the subscriptions once, by what this person may view now.
func (s *controlSeat) tellWatched() error {
	if !s.watching() {
		return nil
	}
	gate := s.replies() // what is told rests on rights as they are now
	ctx, cancel := context.WithTimeout(s.ctx, behindTime)
	defer cancel()
	snap, err := s.e.Gateway().Viewed(ctx, s.live.Who(), s.server.Owner())
	if err != nil {
		return nil //nolint:nilerr // it is tried again; that the server ends is noticed elsewhere
	}
	if s.server.Owner() != s.live.Who().Person() {
		snap, _ = named(s.server.Owner(), snap, tmux.Found{})
	}
	base := formatBase()
	if base.Client = snap.Client(s.name); base.Client == nil {
		return nil
	}
	for _, line := range s.changed(snap, base) {
		err := s.client.Show(ctx, []byte(line+"\n"), gate)
		if err != nil && ctx.Err() != nil && s.ctx.Err() == nil {
			return errBehind
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *wishes) watching() bool {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	return len(w.watches) > 0
}

// changed gives the values that are others than last time.
func (w *wishes) changed(snap *tmux.Snapshot, base tmux.FormatContext) []string {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	work := tmux.NewWatchWork()
	var lines []string
	for i := range w.watches {
		sub, now := &w.watches[i], map[string]string{}
		for _, line := range sub.Values(snap, base.Client.Session, base, work) {
			place, value, _ := strings.Cut(line, " : ")
			now[place] = value
			if old, same := sub.last[place]; !same || old != value {
				lines = append(lines, line)
			}
		}
		sub.last = now
	}
	return lines
}
