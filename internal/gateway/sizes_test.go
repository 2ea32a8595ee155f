package gateway

import (
	"fmt"
	"testing"
	"time"
)

// In no second has a person more than twenty turns, however they come; others do
// not wait for them, and whoever would wait too long is told so.
func TestPace(t *testing.T) {
	var p pace
	now := time.Now()
	var turns []time.Time
	for i := range 1000 {
		now = now.Add(time.Duration(i%7) * time.Millisecond)
		wait, ok := p.turn("alice", now)
		if !ok {
			if wait <= sizeWait {
				t.Fatalf("refused after %v", wait)
			}
			continue
		}
		turns = append(turns, now.Add(wait))
	}
	for i := 20; i < len(turns); i++ {
		if apart := turns[i].Sub(turns[i-20]); apart < time.Second {
			t.Fatalf("21 turns within %v", apart)
		}
	}
	if len(turns) < 75 {
		t.Errorf("%d turns only", len(turns))
	}
	if wait, ok := p.turn("bob", now); wait != 0 || !ok {
		t.Errorf("bob waits %v", wait)
	}
	for i := range 2 * maxPaced {
		now = now.Add(time.Second)
		p.turn(fmt.Sprint(i), now)
	}
	if len(p.next) > maxPaced+1 {
		t.Errorf("%d people are remembered", len(p.next))
	}
}
