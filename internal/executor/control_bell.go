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
		for _, of := range s.asides.takeLost() {
			if delete(told, of); of == ofLockdown {
				locked = "\x00" // no text is that: it is told again
			}
		}
		if now, _ := lockedSession(s.live, s.server, s.stage.Load().view.Need().Object); now != locked && s.say(ofLockdown, lockedText(now)) {
			locked = now
		}
		now := map[string]bool{}
		if s.e.Asking != nil {
			for _, w := range s.e.Asking.News(s.live.Who(), s.reachesPane) {
				now[w.ID] = told[w.ID] || s.say(w.ID, waitsText(w), s.live.Right(w.Need))
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
// besides, by the notification of tmux(1) for messages; and reports whether it was told, or will
// be once a block has ended. If that comes to nothing they hear the bell again, and it is found
// lost by what it was of.
func (s *controlSeat) say(of, text string, besides ...*gateway.Right) bool {
	return s.asides.say(aside{of: of, lost: s.ring, show: func() error {
		ctx, cancel := context.WithTimeout(s.ctx, behindTime)
		defer cancel()
		return s.client.Show(ctx, message(text), s.gate(append(besides, s.right())...))
	}}) == nil
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

// ofLockdown is what is told of a lockdown: no request has that name.
const ofLockdown = ""

// aside is a line of our own: what it is of, how it is shown, and who is called if it had to
// wait and was not shown then.
type aside struct {
	of   string
	show func() error
	lost func()
}

// asides are lines of our own in what a tmux server says: they come between its blocks,
// never in one.
type asides struct {
	mu      sync.Mutex
	open    bool // what was shown last ends within a block
	waiting []aside
	lost    []string // of what those were that have waited, and were not shown
}

// maxAsides is how many lines of ours wait for the end of a block.
const maxAsides = 64

// say shows a line of ours now, or once the block that is open has ended.
func (a *asides) say(one aside) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open {
		if len(a.waiting) >= maxAsides { // whoever leaves a block open hears the last of it
			a.lose(a.waiting[0].of)
			a.waiting = slices.Delete(a.waiting, 0, 1)
		}
		a.waiting = append(a.waiting, one)
		return nil
	}
	return one.show()
}

// lose notes what was not shown. mu is held.
func (a *asides) lose(of string) {
	if !slices.Contains(a.lost, of) {
		a.lost = append(a.lost, of)
	}
}

// takeLost gives what was not shown since it was asked last.
func (a *asides) takeLost() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	lost := a.lost
	a.lost = nil
	return lost
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
	for _, one := range waiting {
		if one.show() != nil { // the client reads nothing, or may not be told any more
			a.lose(one.of)
			one.lost()
		}
	}
	return nil
}
