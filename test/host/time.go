package host

import (
	"fmt"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// slackTime is what short runs allow on a time limit: they share their machine with
// each other and with whoever works on it.
const slackTime = 3

// Bounded is a time limit as this run takes it.
func Bounded(limit time.Duration) time.Duration {
	if soak.Full() {
		return limit
	}
	return slackTime * limit
}

// InTime says how long something took that has just been seen, and fails if that is
// more than the limit. Short runs have some slack.
func InTime(t testing.TB, began time.Time, limit time.Duration, what string, args ...any) {
	t.Helper()
	what = fmt.Sprintf(what, args...)
	took := time.Since(began)
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if took > Bounded(limit) {
		t.Errorf("%s: after %v, want %v at most", what, took.Round(time.Millisecond), limit)
	}
}
