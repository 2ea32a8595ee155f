package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Each has their turn once; and who waits, whether they say so or not, holds up nobody: here all
// wait for the last.
func TestCrew(t *testing.T) {
	const n = 300
	for _, c := range []struct {
		name  string
		waits func(ctx context.Context, all *sync.WaitGroup)
	}{
		{"nobody waits", func(context.Context, *sync.WaitGroup) {}},
		{"all wait, and say so", func(ctx context.Context, all *sync.WaitGroup) { Waits(ctx); all.Wait() }},
		{"all wait, and do not say so", func(_ context.Context, all *sync.WaitGroup) { all.Wait() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all, over sync.WaitGroup
			var turns [n]atomic.Int64
			all.Add(n)
			over.Add(n)
			team := &crew{n: n}
			ctx := context.WithValue(t.Context(), crewKey{}, team)
			team.do = func(i int) {
				turns[i].Add(1)
				all.Done()
				c.waits(ctx, &all)
				over.Done()
			}
			done := make(chan struct{})
			defer close(done)
			team.begin(done)
			end := make(chan struct{})
			go func() { over.Wait(); close(end) }()
			select {
			case <-end:
			case <-time.After(30 * time.Second):
				t.Fatalf("%d of %d had their turn", min(team.next.Load(), n), n)
			}
			for i := range turns {
				if got := turns[i].Load(); got != 1 {
					t.Errorf("%d had %d turns", i, got)
				}
			}
		})
	}
}
