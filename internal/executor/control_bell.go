package executor

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
)

// maxMessage is how many bytes of what waits are told to a client in control mode.
const maxMessage = 1000

// hearBell tells somebody in control mode of what waits for an answer of theirs, once
// each, and that what they look at was locked down, or is no more. There is no display to
// answer it in, so it is said how it is answered.
func (s *controlSeat) hearBell() {
	s.e.hears(s, true)
	defer s.e.hears(s, false)
	told, locked := map[string]bool{}, ""
	for {
		if now := s.live.Locked(s.stage.Load().view.Need().Object); now != locked && s.say(lockedText(now)) {
			locked = now
		}
		now := map[string]bool{}
		if s.e.Asking != nil {
			for _, w := range s.e.Asking.News(s.live.Who(), s.reachesPane) {
				now[w.ID] = told[w.ID] || s.say(waitsText(w), s.live.Right(w.Need))
			}
		}
		told = now
		select {
		case <-s.rung:
		case <-s.ctx.Done():
			return
		}
	}
}

// reachesPane reports whether a pane is in the session that the client is at.
func (s *controlSeat) reachesPane(pane access.Object) bool {
	return pane.Owner == s.server.Owner() && pane.Incarnation == s.server.Incarnation() &&
		reaches(pane, s.stage.Load().session.ID)
}

// ring has the person hear of what waits for them. It does not wait for that.
func (s *controlSeat) ring() {
	select {
	case s.rung <- struct{}{}:
	default:
	}
}

// say tells the person something, while they hold what they are attached by and the rights
// besides, by the notification of tmux(1) for messages; and reports whether it was told.
func (s *controlSeat) say(text string, besides ...*gateway.Right) bool {
	return s.asides.say(func() error {
		ctx, cancel := context.WithTimeout(s.ctx, behindTime)
		defer cancel()
		return s.client.Show(ctx, message(text), s.gate(append(besides, s.right())...))
	}) == nil
}

// lockedText is what is told of a lockdown, or of its end.
func lockedText(now string) string { return cmp.Or(now, "unlocked: you may go on") }

// waitsText is what is told of what waits. How to answer comes first: what is asked may be
// long, and in anybody's words.
func waitsText(w Waits) string {
	text := w.Text
	if w.Alone {
		text = w.From + " " + text
	}
	return w.How + ": " + text
}

// message is that notification.
func message(text string) []byte {
	text = oneLine("muxward: " + text)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return []byte("%message " + text + "\n")
}

// asides are lines of our own in what a tmux server says: they come between its blocks,
// never in one.
type asides struct {
	mu      sync.Mutex
	open    bool // what was shown last ends within a block
	waiting []func() error
}

// maxAsides is how many lines of ours wait for the end of a block.
const maxAsides = 64

// say shows a line of ours now, or once the block that is open has ended.
func (a *asides) say(show func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open {
		if len(a.waiting) >= maxAsides { // whoever leaves a block open hears the last of it
			a.waiting = slices.Delete(a.waiting, 0, 1)
		}
		a.waiting = append(a.waiting, show)
		return nil
	}
	return show()
}

// pass shows what the server said; open: that ends within a block.
func (a *asides) pass(open bool, show func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = open
	if err := show(); err != nil || open {
		return err
	}
	waiting := a.waiting
	a.waiting = nil
	for _, aside := range waiting {
		_ = aside() // the client has gone, or may not be told any more
	}
	return nil
}
