package ctxlock

import (
	"context"
	"errors"
	"testing"
	"time"
)

// One has a turn at a time. Who waits for it hears that it does not come, or why they do not wait any more; and who does not
// wait any more as it comes does not keep it from the next one.
func TestTurn(t *testing.T) {
	turn, busy, gone := NewTurn(), errors.New("others have it"), errors.New("who waits has gone")
	if err := turn.Take(t.Context(), time.Minute, busy); err != nil {
		t.Fatal(err)
	}
	if err := turn.Take(t.Context(), time.Millisecond, busy); !errors.Is(err, busy) {
		t.Errorf("others have it: %v", err)
	}
	over, end := context.WithCancelCause(t.Context())
	end(gone)
	if err := turn.Take(over, time.Minute, busy); !errors.Is(err, gone) {
		t.Errorf("who waits has gone: %v", err)
	}
	turn.Leave()
	for range 100 { // which of the two is seen first is chance
		if err := turn.Take(over, time.Minute, busy); !errors.Is(err, gone) {
			t.Fatalf("it comes to who has gone: %v", err)
		}
	}
	if err := turn.Take(t.Context(), time.Minute, busy); err != nil {
		t.Errorf("who has gone keeps it: %v", err)
	}
}
