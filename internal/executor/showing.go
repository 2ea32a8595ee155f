package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// held is a right that a picture rests on, and what it is told by from others.
type held struct {
	*gateway.Right
	key string
}

// right has a need asked often.
func (s *seat) right(n gateway.Need) held {
	return held{s.live.Right(n), fmt.Sprint(n.Whole, n.Verbs, n.Verb, n.Command, n.Object)}
}

// rights has needs asked often, each once.
func (s *seat) rights(needs []gateway.Need) glance {
	all := make(glance, 0, len(needs))
	for _, n := range needs {
		all = append(all, s.right(n))
	}
	return all.without(nil)
}

// glance is what it takes to see one picture: one right or more.
type glance []held

// without gives each of the rights once that is not among others.
func (g glance) without(others glance) glance {
	seen := make(map[string]bool, len(g)+len(others))
	for _, r := range others {
		seen[r.key] = true
	}
	var all glance
	for _, r := range g {
		if !seen[r.key] {
			seen[r.key] = true
			all = append(all, r)
		}
	}
	return all
}

// permit tells what is missing to see the picture now, nil if nothing is.
func (g glance) permit() error {
	for _, r := range g {
		if d := r.Decide(); !d.Allow {
			return &gateway.Refused{Decision: d, Need: r.Need()}
		}
	}
	return nil
}

// looking is what a picture rests on that is drawn over somebody's display.
type looking struct {
	rights glance
	lost   string       // what they are told when it is taken away
	place  *tmux.Place  // of the pane that they look back at; nil for a list
	seen   atomic.Int64 // when it was there, in Unix nanoseconds
	over   atomic.Bool  // nothing more is shown by it
	before glance       // of what was shown earlier, and may be on its way still
}

// decide answers all its rights as one.
func (l *looking) decide() access.Decision {
	sum := access.Decision{Allow: true}
	for i, r := range slices.Concat(l.rights, l.before) {
		d := r.Decide()
		if !d.Allow {
			return d
		}
		if i == 0 || !d.Expires.IsZero() && (sum.Expires.IsZero() || d.Expires.Before(sum.Expires)) {
			sum = d
		}
	}
	return sum
}

// showing is what of muxward's own is shown to a person over their display. Whoever
// has to take it away finds it here until nothing of it can be written any more.
type showing struct {
	rests atomic.Pointer[looking]
	cover cover
}

// cover is what a picture is shown by.
type cover interface {
	Uncover(ctx context.Context) (shown bool, err error)
	Withdraw(ctx context.Context) (shown bool, err error)
}

// end takes away all pictures that rest on l, and then what they rest on: never the
// other way, as nobody would take them away in between.
func (s *showing) end(ctx context.Context, l *looking) (shown bool, err error) {
	l.over.Store(true)
	shown, err = s.cover.Withdraw(ctx)
	if err == nil {
		s.rests.CompareAndSwap(l, nil)
	}
	return shown, err
}

// hide takes away a picture that rests on l, and none is shown any more that does. A
// terminal, or a network, may hold some of it, so what it rests on is kept.
func (s *showing) hide(ctx context.Context, l *looking) (shown bool, err error) {
	l.over.Store(true)
	return s.cover.Uncover(ctx)
}

// begin has pictures rest on l from now on, and on what those before rest on. Where
// that is more than is remembered, those before are taken away first.
func (s *showing) begin(ctx context.Context, l *looking) error {
	if was := s.rests.Load(); was != nil {
		before := slices.Concat(was.before, was.rights).without(l.rights)
		if len(before) > maxBefore {
			if _, err := s.end(ctx, was); err != nil {
				return fmt.Errorf("take away what was shown before: %w", err)
			}
			before = nil
		}
		l.before = before
	}
	s.rests.Store(l)
	return nil
}

// maxBefore is how many rights are remembered of pictures that may not be shown yet:
// a revocation looks at each of them, so that it takes no longer the more somebody has
// looked at.
const maxBefore = 4096

// rest has what is shown from now on rest on l, whose rights may have an end.
func (s *seat) rest(ctx context.Context, l *looking) error {
	if err := s.looks.begin(ctx, l); err != nil {
		return err
	}
	s.arm()
	return nil
}

// takenTime is how long a first picture waits for a terminal that is behind.
const takenTime = 2 * time.Second

// errUntaken is the end of such a wait.
var errUntaken = errors.New("your terminal does not take it now; try again")

// picture draws a picture over the person's display that rests on l, while they may
// see it, and reports whether it is what their terminal is given. The first of several waits
// for a terminal that is behind: tmux would show it then, too.
func (s *seat) picture(l *looking, picture []byte, size attach.Size, begin bool) (shown bool, err error) {
	for end := time.Now().Add(takenTime); ; {
		shown, err = s.pictureNow(l, picture, size, begin)
		if !errors.Is(err, errUntaken) || time.Now().After(end) || l.over.Load() {
			return shown, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.att.Ended():
			return false, err
		case <-s.ctx.Done():
			return false, err
		}
	}
}

func (s *seat) pictureNow(l *looking, picture []byte, size attach.Size, begin bool) (shown bool, err error) {
	first := l.rights[0].Right
	if !looked() {
		first = s.stage.Load().view
	}
	err = s.live.Do(first, func() error {
		if err := l.rights.permit(); err != nil && looked() {
			return err
		}
		if looked() && l.over.Load() {
			return nil
		}
		shown = s.att.Cover(picture, size, begin)
		return nil
	})
	if shown && looked() && l.over.Load() { // it was taken away while it began
		ctx, cancel := context.WithTimeout(s.ctx, keyTime)
		defer cancel()
		_, err = s.att.Uncover(ctx)
		shown = false
	}
	if err == nil && begin && !shown {
		err = errUntaken
	}
	return shown && err == nil, err
}

// unlook takes away a picture whose person may not see it any more. When it
// returns nil, nothing of it is shown after. If that cannot be confirmed soon,
// their attachment is closed.
func (s *seat) unlook(ctx context.Context, why string) (closed bool, err error) {
	l := s.looks.rests.Load()
	if l == nil {
		return false, nil
	}
	d := l.decide()
	if d.Allow || !looked() {
		return false, nil
	}
	l.over.Store(true)
	gateway.Waits(ctx)
	short, cancel := context.WithTimeout(ctx, exitTime)
	defer cancel()
	// Whatever draws has found out before that it may, or finds out that it may
	// not.
	shown := false
	if err = s.live.Pass(short); err == nil {
		shown, err = s.looks.end(short, l)
	}
	if err != nil {
		return true, s.close(ctx, access.Decision{Reason: "what was drawn over your display cannot be taken away: " + err.Error()}, why)
	}
	if shown {
		s.att.Notice(because(l.lost, d, why))
	}
	return false, nil
}

// deafTime is how long keys have to pause, after somebody's look back was ended for
// them, before they are typed again: they were meant for it.
const deafTime = 500 * time.Millisecond

// deafness is until when keys are dropped.
type deafness struct{ until time.Time }

func (d *deafness) begin(now time.Time) { d.until = now.Add(deafTime) }

func (d *deafness) still(now time.Time) bool { return now.Before(d.until) }

// drops reports whether a key is dropped, and then the next one, too, if it does
// not wait: they are one word.
func (d *deafness) drops(now time.Time) bool {
	if !d.still(now) {
		return false
	}
	d.begin(now)
	return true
}
