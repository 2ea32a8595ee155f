package pace

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func fifteen() Rate { return Rate{AtOnce: 5, ASecond: 15, Longest: 5 * time.Second} }

// In no second has a person more than twenty turns, however they come; others do
// not wait for them, and whoever would wait too long is refused and has taken none.
func TestTurns(t *testing.T) {
	var p Pace
	now := time.Now()
	var turns []time.Time
	for i := range 1000 {
		now = now.Add(time.Duration(i%7) * time.Millisecond)
		if wait, ok := p.Take(fifteen(), "alice", 1, now); ok {
			turns = append(turns, now.Add(wait))
		}
	}
	for i := 21; i < len(turns); i++ {
		if apart := turns[i].Sub(turns[i-21]); apart < time.Second {
			t.Fatalf("22 turns within %v", apart)
		}
	}
	if len(turns) < 75 || len(turns) > 125 {
		t.Errorf("%d turns", len(turns))
	}
	if wait, ok := p.Take(fifteen(), "bob", 1, now); wait != 0 || !ok {
		t.Errorf("bob waits %v", wait)
	}
}

// What comes together has waited for as many turns, and takes them from what
// follows; what is more than anybody has turns for is refused and takes none.
func TestManyAtOnce(t *testing.T) {
	var p Pace
	now := time.Now()
	if wait, ok := p.Take(fifteen(), "alice", 50, now); !near(wait, 3*time.Second) || !ok {
		t.Errorf("50 at once wait %v", wait)
	}
	if wait, ok := p.Take(fifteen(), "alice", 15, now); !near(wait, 4*time.Second) || !ok {
		t.Errorf("the next ones wait %v", wait)
	}
	for _, n := range []int{81, 1 << 62} {
		if wait, ok := p.Take(fifteen(), "carol", n, now); ok {
			t.Errorf("%d at once wait %v", n, wait)
		}
	}
	if wait, ok := p.Take(fifteen(), "carol", 5, now); wait != 0 || !ok {
		t.Errorf("after a refusal 5 wait %v", wait)
	}
}

func near(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond }

// Who has all turns again is not remembered; who has not, is.
func TestForgotten(t *testing.T) {
	var p Pace
	now := time.Now()
	for i := range 10000 {
		now = now.Add(time.Second)
		p.Take(fifteen(), fmt.Sprint(i), 1, now)
	}
	if len(p.of) > 2*minSweep {
		t.Errorf("%d people are remembered", len(p.of))
	}
	p.Take(fifteen(), "alice", 80, now)
	for i := range 10000 {
		p.Take(fifteen(), fmt.Sprint(i), 1, now.Add(time.Second))
	}
	if wait, _ := p.Take(fifteen(), "alice", 1, now.Add(time.Second)); wait < 4*time.Second {
		t.Errorf("alice waits %v only", wait)
	}
}

// Wait waits, and can be called away.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		began := time.Now()
		for range 20 {
			if err := p.Wait(t.Context(), fifteen(), "bob", 1); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(began); !near(d, time.Second) {
			t.Errorf("they took %s", d)
		}
		if err := p.Wait(t.Context(), fifteen(), "bob", 100); !errors.Is(err, ErrTooMuch) {
			t.Error(err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(gone) })
		if err := p.Wait(ctx, fifteen(), "bob", 10); !errors.Is(err, gone) {
			t.Error(err)
		}
		if err := p.Wait(ctx, fifteen(), "alice", 1); !errors.Is(err, gone) {
			t.Error("let in at the end")
		}
	})
}
