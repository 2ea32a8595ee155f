package executor

import (
	"testing"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/pace"
)

// A person types a burst at once and then no more than the rate, whatever they send
// in what pieces; the largest paste fits into the burst, and nobody is refused.
func TestBudget(t *testing.T) {
	var typed pace.Pace
	now := time.Now()
	if wait, ok := typed.Take(typedPace(), "carol", typedBurst, now); wait != 0 || !ok {
		t.Errorf("the burst waits %s", wait)
	}
	sent, first := 0, now
	for range 1000 {
		n := cost(attach.Event{Bytes: make([]byte, sent%200)})
		wait, ok := typed.Take(typedPace(), "carol", n, now)
		if !ok {
			t.Fatal("refused")
		}
		now = now.Add(wait)
		sent += n
	}
	if most := int(now.Sub(first).Seconds()*typedRate) + 1000; sent > most {
		t.Errorf("%d bytes in %s, want %d at most", sent, now.Sub(first), most)
	}
	if n := cost(attach.Event{Kind: attach.Paste, Bytes: make([]byte, 1016<<10)}); n > typedBurst {
		t.Errorf("the largest paste costs %d", n)
	}
}
