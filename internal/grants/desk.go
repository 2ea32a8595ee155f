package grants

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// entry is what may wait at a [desk]: a value, which is replaced whole.
type entry interface {
	// name is what it is known by, owner who has put it there, and since when it waits.
	name() string
	owner() string
	since() time.Time
	// over reports whether it has ended, late whether its time to be answered is over.
	over() bool
	late(now time.Time) bool
	// none is what people are told of one that is not there, or not theirs to know of,
	// been what they are told of one that has ended just then, and busy while others
	// answer it.
	none(id string) error
	been() error
	busy() error
}

// desk is where things wait until they are answered, each of them once. The zero value
// has none. It is safe for use by several goroutines.
type desk[T entry] struct {
	mu    sync.Mutex
	open  map[string]*waiting[T]
	count int // how many there have been
}

// waiting is one thing that waits.
type waiting[T entry] struct {
	turn  chan struct{} // taken by who answers it, or takes it back
	ended chan struct{} // closed at its end
	// Under mu of the desk:
	now   T
	asked bool // it is on record, and others may see it
}

// put has something wait. take says why not, by what waits there already, or gives it
// with a name that named draws. Nobody sees it before record, which is called with
// it, has succeeded.
func (d *desk[T]) put(take func(open []T, named func() string) (T, error), record func(T) error) (T, error) {
	v, err := d.reserve(take)
	if err != nil {
		return v, err
	}
	err = record(v)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		delete(d.open, v.name())
		return v, err
	}
	d.open[v.name()].asked = true
	return v, nil
}

func (d *desk[T]) reserve(take func([]T, func() string) (T, error)) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]T, 0, len(d.open))
	for _, w := range d.open {
		all = append(all, w.now)
	}
	v, err := take(all, d.named)
	if err != nil {
		return v, err
	}
	if d.open == nil {
		d.open = map[string]*waiting[T]{}
	}
	d.open[v.name()] = &waiting[T]{turn: make(chan struct{}, 1), ended: make(chan struct{}), now: v}
	return v, nil
}

// named draws a name that nothing has that waits; mu is held.
func (d *desk[T]) named() string {
	for {
		d.count++
		if id := drawn(d.count); d.open[id] == nil {
			return id
		}
	}
}

// List gives what waits, oldest first.
func (d *desk[T]) List() []T {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]T, 0, len(d.open))
	for _, w := range d.open {
		if w.asked {
			all = append(all, w.now)
		}
	}
	slices.SortFunc(all, func(a, b T) int {
		if c := a.since().Compare(b.since()); c != 0 {
			return c
		}
		return strings.Compare(a.name(), b.name())
	})
	return all
}

// Find gives one that waits.
func (d *desk[T]) Find(id string) (T, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.find(id)
	if w == nil {
		return *new(T), false
	}
	return w.now, true
}

// find gives one that others may see; mu is held.
func (d *desk[T]) find(id string) *waiting[T] {
	if w := d.open[id]; w != nil && w.asked {
		return w
	}
	return nil
}

// Ending gives what waits for the end of one, and gives it as it is then, also if that
// comes before it is called. It is for who records it: others answer it only then. The
// error is the cause of ctx's end.
func (d *desk[T]) Ending(id string) func(context.Context) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.open[id]
	return func(ctx context.Context) (T, error) { return d.wait(ctx, id, w) }
}

func (d *desk[T]) wait(ctx context.Context, id string, w *waiting[T]) (T, error) {
	var none T
	if w == nil {
		return none, none.none(id)
	}
	select {
	case <-w.ended:
		d.mu.Lock()
		defer d.mu.Unlock()
		return w.now, nil
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// Change has f say what becomes of one that waits, and puts it so. Meanwhile nobody else
// changes it: of an answer and a taking back one comes first, and the other finds what
// that came to. With an error of f nothing changes, unless what it gives has ended.
func (d *desk[T]) Change(ctx context.Context, id string, f func(T) (T, error)) (T, error) {
	d.mu.Lock()
	w := d.find(id)
	d.mu.Unlock()
	var none T
	if w == nil {
		return none, none.none(id)
	}
	select { // a turn that is free is taken, also by who has no time any more
	case w.turn <- struct{}{}:
	default:
		select {
		case w.turn <- struct{}{}:
		case <-ctx.Done():
			return none, none.busy()
		}
	}
	defer func() { <-w.turn }()
	d.mu.Lock()
	now := w.now
	d.mu.Unlock()
	if now.over() && answeredOnce() {
		return now, now.been()
	}
	next, err := f(now)
	if err != nil && !next.over() {
		return now, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w.now = next
	if next.over() && !now.over() {
		close(w.ended)
	}
	if next.over() && answeredOnce() {
		delete(d.open, id)
	}
	return next, err
}

// Overdue gives the names of those whose time to be answered is over.
func (d *desk[T]) Overdue(now time.Time) []string {
	var ids []string
	for _, v := range d.List() {
		if !v.over() && v.late(now) {
			ids = append(ids, v.name())
		}
	}
	return ids
}

// tooMany refuses one more of somebody's, if there are so many of theirs or so many in all.
func tooMany[T entry](open []T, who string, theirs, all int, what, hint string) error {
	n := 0
	for _, v := range open {
		if v.owner() == who {
			n++
		}
	}
	switch {
	case n >= theirs:
		return fmt.Errorf("%d %s of yours are open; %s", n, what, hint)
	case len(open) >= all:
		return fmt.Errorf("%d %s are open; try again when some of them are answered", len(open), what)
	}
	return nil
}
