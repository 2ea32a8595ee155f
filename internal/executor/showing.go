package executor

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// glance is what it takes to see one picture: one right or more.
type glance []*gateway.Right

// same reports whether two of them are about the same.
func (g glance) same(h glance) bool {
	return slices.EqualFunc(g, h, func(a, b *gateway.Right) bool { return reflect.DeepEqual(a.Need(), b.Need()) })
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
	before []glance     // of what was shown earlier, and may be on its way still
}

// decide answers all its rights as one.
func (l *looking) decide() access.Decision {
	sum := access.Decision{Allow: true}
	for i, g := range append([]glance{l.rights}, l.before...) {
		for j, r := range g {
			d := r.Decide()
			if !d.Allow {
				return d
			}
			if i+j == 0 || !d.Expires.IsZero() && (sum.Expires.IsZero() || d.Expires.Before(sum.Expires)) {
				sum = d
			}
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

// begin has pictures rest on l from now on, and on what those before rest on.
func (s *showing) begin(l *looking) {
	if was := s.rests.Load(); was != nil {
		all := append(slices.Clone(was.before), was.rights)
		all = slices.DeleteFunc(all, l.rights.same)
		l.before = all[max(len(all)-maxBefore, 0):]
	}
	s.rests.Store(l)
}

// maxBefore is how many pictures are remembered that may not be shown yet: more than
// there is room for on the way to a terminal.
const maxBefore = 256

// rest has what is shown from now on rest on l, whose rights may have an end.
func (s *seat) rest(l *looking) {
	s.looks.begin(l)
	s.arm()
}

// picture draws a picture over the person's display that rests on l, while they may
// see it.
func (s *seat) picture(l *looking, picture []byte, size attach.Size, begin bool) error {
	shown := false
	first := l.rights[0]
	if !looked {
		first = s.stage.Load().view
	}
	err := s.live.Do(first, func() error {
		if err := l.rights.permit(); err != nil && looked {
			return err
		}
		if looked && l.over.Load() {
			return nil
		}
		shown = s.att.Cover(picture, size, begin)
		return nil
	})
	if shown && looked && l.over.Load() { // it was taken away while it began
		ctx, cancel := context.WithTimeout(s.ctx, keyTime)
		defer cancel()
		_, err = s.att.Uncover(ctx)
		shown = false
	}
	if err == nil && begin && !shown {
		err = errors.New("your terminal does not take it now; try again")
	}
	return err
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
	if d.Allow || !looked {
		return false, nil
	}
	l.over.Store(true)
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
