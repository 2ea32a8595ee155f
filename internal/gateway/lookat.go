package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
)

// Bound of a reconsideration whose context has none, and how much longer is waited for
// those who may have noticed the same deadline, and know more.
const (
	reconsiderTime = 10 * time.Second
	noticeTime     = 100 * time.Millisecond
)

// afterwards is what is done behind a reconsideration, when nobody waits for it any more.
type afterwards struct {
	mu   sync.Mutex
	all  []func()
	over bool
}

type afterwardsKey struct{}

// Afterwards has something done once the reconsideration of ctx has ended what it ends: with
// a thousand people attached, whoever takes something from one of them is not to wait until
// all are told. Without a reconsideration it is done at once.
func Afterwards(ctx context.Context, f func()) {
	a, _ := ctx.Value(afterwardsKey{}).(*afterwards)
	if a == nil || !a.add(f) {
		f()
	}
}

// Behind puts off what is done behind reconsiderations until it is told to go on: they may be
// a part only of what somebody waits for.
func Behind(ctx context.Context) (_ context.Context, goOn func()) {
	a := &afterwards{}
	return context.WithValue(ctx, afterwardsKey{}, a), a.run
}

func (a *afterwards) add(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.all = append(a.all, f)
	}
	return !a.over
}

// run does what has been gathered, one after the other. One that does not end soon is not
// waited for: it is one person's, and the others are to be told all the same.
func (a *afterwards) run() {
	a.mu.Lock()
	all := a.all
	a.all, a.over = nil, true
	a.mu.Unlock()
	if len(all) == 0 {
		return
	}
	go inTurn(all)
}

// inTurn does one after the other, and goes on without one that does not end.
func inTurn(all []func()) {
	for len(all) > 0 {
		t := &sequence{all: all, done: make(chan struct{})}
		go t.work()
		all = t.mind()
	}
}

// sequence is functions that one goroutine takes in their order.
type sequence struct {
	done chan struct{}

	mu   sync.Mutex
	all  []func()
	next int
	left bool // others go on, behind the one that does not end
}

func (t *sequence) work() {
	defer close(t.done)
	for f := t.take(); f != nil; f = t.take() {
		_ = recovered(func() error { f(); return nil }) // it is nobody else's
	}
}

func (t *sequence) take() func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left || t.next == len(t.all) {
		return nil
	}
	t.next++
	return t.all[t.next-1]
}

// mind waits for the end, and gives those to whom it has not come because of one. Each has the
// whole time from when it was seen, also where this goroutine had to wait for a processor.
func (t *sequence) mind() (rest []func()) {
	wait := time.NewTimer(noticeTime)
	defer wait.Stop()
	last := 0
	for {
		ended := false
		select {
		case <-t.done:
			ended = true
		case <-wait.C:
		}
		t.mu.Lock()
		if ended || t.next == last {
			t.left = true
			defer t.mu.Unlock()
			return t.all[t.next:] // none, unless one has ended the goroutine that took it
		}
		last = t.next
		t.mu.Unlock()
		wait.Reset(noticeTime)
	}
}

// lookAt has permits decided anew, all at once. A fault in one, or one that does not end,
// holds up nobody else's, and is told: what it rests on was taken back already.
func lookAt(ctx context.Context, lives []*Live, why string) Report {
	rep := Report{Touched: len(lives)}
	if _, put := ctx.Value(afterwardsKey{}).(*afterwards); !put {
		var goOn func()
		ctx, goOn = Behind(ctx)
		defer goOn()
	}
	for _, l := range lives {
		l.outdate()
	}
	ctx, cancel := context.WithTimeout(ctx, reconsiderTime)
	defer cancel()
	type outcome struct {
		at  int
		err error
	}
	told := make(chan outcome, len(lives))
	team := &crew{n: len(lives)}
	ctx = context.WithValue(ctx, crewKey{}, team)
	team.do = func(i int) { told <- outcome{i, lives[i].guarded(ctx, why)} }
	done := make(chan struct{})
	defer close(done)
	team.begin(done)
	waits := make(map[int]bool, len(lives))
	for i := range lives {
		waits[i] = true
	}
	unconfirmed := func(i int, err error) {
		l := lives[i]
		rep.Unconfirmed = append(rep.Unconfirmed, fmt.Sprintf("%s at door %s: %v", l.who.Person(), l.who.Door(), err))
	}
	hear := func(o outcome) {
		if delete(waits, o.at); o.err != nil {
			unconfirmed(o.at, o.err)
		}
	}
	late := (<-chan time.Time)(nil)
	over := ctx.Done()
	for len(waits) > 0 {
		select {
		case o := <-told:
			hear(o)
		case <-over:
			over, late = nil, time.After(noticeTime)
		case <-late:
			for len(told) > 0 { // they have ended
				hear(<-told)
			}
			for i := range waits {
				unconfirmed(i, fmt.Errorf("it does not end: %w", ctx.Err()))
			}
			return rep
		}
	}
	return rep
}

// guarded re-decides one permit.
func (l *Live) guarded(ctx context.Context, why string) error {
	err := recovered(func() error {
		failpoint.At("gateway-again")
		return l.again(ctx, why)
	})
	if errors.Is(err, errFault) {
		l.cancel(err) // nobody knows what it may still do
	}
	return err
}
