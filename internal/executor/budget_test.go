package executor

import (
	"testing"
	"time"
)

// A person types a burst at once and then no more than the rate, whatever they
// send in what pieces; others have budgets of their own, and attaching again
// brings no new one.
func TestBudget(t *testing.T) {
	now := time.Now()
	b := &budget{left: typedBurst, at: now}
	if wait := b.spend(typedBurst, now); wait != 0 {
		t.Errorf("the burst waits %s", wait)
	}
	sent, first := 0, now
	for range 1000 {
		n := 64 + sent%5000
		now = now.Add(b.spend(n, now))
		sent += n
	}
	if most := int(now.Sub(first).Seconds()*typedRate) + 1000; sent > most {
		t.Errorf("%d bytes in %s, want %d at most", sent, now.Sub(first), most)
	}
	now = now.Add(time.Hour)
	if !b.full(now) || b.spend(typedBurst+typedRate, now) != time.Second {
		t.Error("it is not made up for")
	}
	if now = now.Add(-time.Hour); b.spend(0, now) < time.Second {
		t.Error("a clock that is set back fills it")
	}

	e := &Executor{}
	mine := e.budget("carol")
	mine.spend(3*typedBurst, time.Now())
	e.giveBack(mine)
	if e.budget("bob") == mine || e.budget("carol") != mine {
		t.Error("a budget is not one person's")
	}
	mine.at = mine.at.Add(-time.Hour)
	mine.users = 0
	if again := e.budget("carol"); again == mine || again.left != typedBurst {
		t.Error("a full one is kept for nobody")
	}
}
