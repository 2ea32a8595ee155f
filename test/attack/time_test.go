package attack

import (
	"testing"
	"time"

	"github.com/muxward/muxward/test/host"
)

// inTime fails if what has just been seen took longer than the row allows.
func inTime(t *testing.T, began time.Time, limit time.Duration, what string, args ...any) {
	t.Helper()
	host.InTime(t, began, limit, what, args...)
}

// roundTrip is how long somebody's command may take, start of the client
// included, while others are attacked.
const roundTrip = 250 * time.Millisecond

// swift has a command done again and again until it is in time: a client that
// waited for its processor says nothing about muxward, one that is late each
// time does.
func swift(t *testing.T, what string, do func()) {
	t.Helper()
	best := time.Hour
	for range 10 {
		began := time.Now()
		do()
		if best = min(best, time.Since(began)); best <= roundTrip {
			break
		}
	}
	if best > host.Bounded(roundTrip) {
		t.Errorf("%s: the fastest of ten took %v, want %v at most", what, best.Round(time.Millisecond), roundTrip)
	}
}
