package attack

import (
	"fmt"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// slackTime is what short runs allow on a row's time limit: they share their
// machine with each other and with whoever works on it.
const slackTime = 3

// bounded is a row's time limit as this run takes it.
func bounded(limit time.Duration) time.Duration {
	if soak.Full() {
		return limit
	}
	return slackTime * limit
}

// inTime says how long something took that has just been seen, and fails if
// that is more than the row allows. The limit is the row's; short runs have
// some slack.
func inTime(t *testing.T, began time.Time, limit time.Duration, what string, args ...any) {
	t.Helper()
	what = fmt.Sprintf(what, args...)
	took := time.Since(began)
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if took > bounded(limit) {
		t.Errorf("%s: after %v, want %v at most", what, took.Round(time.Millisecond), limit)
	}
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
	if best > bounded(roundTrip) {
		t.Errorf("%s: the fastest of ten took %v, want %v at most", what, best.Round(time.Millisecond), roundTrip)
	}
}
