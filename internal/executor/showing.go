package executor

import (
	"context"
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
}

// end takes away a picture that rests on l, and then what it rests on: never the
// other way, as nobody would take it away in between.
func (s *showing) end(ctx context.Context, l *looking) (shown bool, err error) {
	shown, err = s.cover.Uncover(ctx)
	if err == nil {
		s.over(l)
	}
	return shown, err
}

// over notes that nothing is shown any more that rests on l.
func (s *showing) over(l *looking) { s.rests.CompareAndSwap(l, nil) }

// restsOn reports whether what is shown is taken away with l.
func (s *showing) restsOn(l *looking) bool { return s.rests.Load() == l }

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
