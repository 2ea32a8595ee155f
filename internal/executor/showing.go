package executor

import (
	"context"
	"reflect"
	"slices"
	"sync/atomic"
	"time"
)

// showing is what is shown to a person who looks back. Whoever has to take it away
// finds it here until nothing of it can be written any more.
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
		all := append(slices.Clone(was.before), was.glance)
		all = slices.DeleteFunc(all, func(old glance) bool {
			return reflect.DeepEqual(old.view.Need().Object, l.view.Need().Object)
		})
		l.before = all[max(len(all)-maxBefore, 0):]
	}
	s.rests.Store(l)
}

// maxBefore is how many pictures are remembered that may not be shown yet: more than
// there is room for on the way to a terminal.
const maxBefore = 256

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
